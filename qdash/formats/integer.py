"""Integers of 2 to 8 and 16 bits, signed and unsigned: equally spaced levels."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qdash.errors import SpecError
from qdash.formats.base import REGISTRY, Format
from qdash.quant.affine import QuantParameters, affine_parameters, fake_quantize, symmetric_parameters
from qdash.quant.cells import Cells, squared_error

if TYPE_CHECKING:
    from torch import Tensor


class Integer(Format):
    """Equally spaced integer levels of {bits} bits (signed: {signed}).

    Symmetric: the zero point is 0; a signed grid leaves out its lowest level so that both sides are alike (int8: −127
    to 127), an unsigned grid fits only data without negative values. Affine: all levels, the zero point moves with the
    data.
    """

    name: ClassVar[str] = "integer"
    bits: int
    signed: bool

    @property
    def bits_per_value(self) -> float:
        """As many as the name says."""
        return float(self.bits)

    @property
    def has_negative_numbers(self) -> bool:
        """Signed integers have them."""
        return self.signed

    def limits(self, scheme: str) -> tuple[int, int]:
        """(q_min, q_max)."""
        q_max = 2 ** (self.bits - self.signed) - 1
        if not self.signed:
            return 0, q_max
        return (-q_max if scheme == "symmetric" else -q_max - 1), q_max

    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str) -> QuantParameters:
        """`quant.affine`; SpecError for an unsigned symmetric grid and data below zero."""
        return QuantParameters(*self._parameters(low, high, scheme, np))

    def live_parameters(self, low: "Tensor", high: "Tensor", scheme: str) -> "tuple[Tensor, Tensor]":
        """The same as `parameters`, on the tensors' device."""
        import torch

        return self._parameters(low.double(), high.double(), scheme, torch)

    def fake_quantize(self, x: Any, scale: Any, zero_point: Any, scheme: str) -> Any:
        """To the nearest level, ties to even."""
        return fake_quantize(x, scale, zero_point, *self.limits(scheme))

    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """In closed form (`quant.cells`), with scale and zero point rounded as they are when applied."""
        scale, zero_point = self.parameters(low, high, scheme)
        q_min, q_max = self.limits(scheme)
        return squared_error(cells, scale, q_min - zero_point, q_max - zero_point)

    def magnitude_levels(self, scheme: str, one_sided: bool) -> int:
        """Half of all levels where they are shared by two signs, else all of them."""
        all_on_one_side = one_sided if scheme == "affine" else not self.signed
        return 1 << (self.bits if all_on_one_side else self.bits - 1)

    def _parameters(self, low: Any, high: Any, scheme: str, xp: Any) -> tuple[Any, Any]:
        q_min, q_max = self.limits(scheme)
        if scheme == "affine":
            return affine_parameters(low, high, q_min, q_max, xp)
        if not self.signed and (low < 0).any():
            raise SpecError(
                f"uint{self.bits} symmetric: the range starts at {float(low.min()):g}, below 0; "
                f"use int{self.bits} or the affine scheme"
            )
        return symmetric_parameters(low, high, q_max, xp)


for _bits in (*range(2, 9), 16):
    for _signed in (True, False):
        REGISTRY.register(f"{'' if _signed else 'u'}int{_bits}", bits=_bits, signed=_signed)(Integer)
