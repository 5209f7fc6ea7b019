"""Integers of 2 to 8 and 16 bits, signed and unsigned: equally spaced levels."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qdash.errors import SpecError
from qdash.formats.base import REGISTRY, ScaledFormat
from qdash.quant.affine import QuantParameters, affine_parameters, fake_quantize, symmetric_parameters
from qdash.quant.arrays import Array
from qdash.quant.cells import Cells
from qdash.quant.squared_error import uniform_squared_error

if TYPE_CHECKING:
    from torch import Tensor


class Integer(ScaledFormat):
    """Equally spaced levels; subclasses say which."""

    bits: int

    @property
    def bits_per_value(self) -> float:
        """As many as the name says."""
        return float(self.bits)

    @abstractmethod
    def limits(self, scheme: str) -> tuple[int, int]:
        """(q_min, q_max)."""

    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str, power_of_two: bool = False) -> QuantParameters:
        """`quant.affine`; SpecError for an unsigned symmetric grid and data below zero."""
        return QuantParameters(*self._parameters(low, high, scheme, power_of_two))

    def live_parameters(
        self, low: "Tensor", high: "Tensor", scheme: str, power_of_two: bool = False
    ) -> "tuple[Tensor, Tensor]":
        """The same as `parameters`, on the tensors' device."""
        return self._parameters(low.double(), high.double(), scheme, power_of_two)

    def fake_quantize(self, x: Array, scale: Array, zero_point: Array, scheme: str) -> Array:
        """To the nearest level, ties to even."""
        return fake_quantize(x, scale, zero_point, *self.limits(scheme))

    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """In closed form (`quant.squared_error`), with scale and zero point rounded as they are when applied."""
        scale, zero_point = self.parameters(low, high, scheme)
        q_min, q_max = self.limits(scheme)
        return uniform_squared_error(cells, scale, q_min - zero_point, q_max - zero_point)

    def level_edges(self, scheme: str, one_sided: bool) -> np.ndarray:
        """Equal parts: half of all levels where they are shared by two signs, else all of them."""
        all_on_one_side = one_sided if scheme == "affine" else not self.has_negative_numbers
        return np.linspace(0, 1, (1 << (self.bits if all_on_one_side else self.bits - 1)) + 1)

    def _parameters(self, low: Array, high: Array, scheme: str, power_of_two: bool) -> tuple[Array, Array]:
        q_min, q_max = self.limits(scheme)
        if scheme == "affine":
            return affine_parameters(low, high, q_min, q_max, power_of_two)
        if not self.has_negative_numbers and (low < 0).any():
            raise SpecError(
                f"uint{self.bits} symmetric: the range starts at {float(low.min()):g}, below 0; "
                f"use int{self.bits} or the affine scheme"
            )
        return symmetric_parameters(low, high, q_max, power_of_two)


class SignedInteger(Integer):
    """Signed integers of {bits} bits: equally spaced levels.

    Symmetric: the zero point is 0 and the lowest level is left out, so that both sides are alike (int8: −127 to 127).
    Affine: all levels (int8: −128 to 127), and the zero point moves with the data.
    """

    name: ClassVar[str] = "signed integer"

    def limits(self, scheme: str) -> tuple[int, int]:
        """Narrow where symmetric."""
        q_max = 2 ** (self.bits - 1) - 1
        return (-q_max if scheme == "symmetric" else -q_max - 1), q_max


class UnsignedInteger(Integer):
    """Unsigned integers of {bits} bits: equally spaced levels from 0 on (uint8: 0 to 255).

    Affine: the zero point moves with the data, so the result is that of signed integers. Symmetric: the zero point is
    0, which fits only data without negative values, such as the outputs of a ReLU.
    """

    name: ClassVar[str] = "unsigned integer"

    @property
    def has_negative_numbers(self) -> bool:
        """Not without a zero point."""
        return False

    def limits(self, scheme: str) -> tuple[int, int]:
        """From 0 on."""
        return 0, 2**self.bits - 1


for _bits in (*range(2, 9), 16):
    REGISTRY.register(f"int{_bits}", bits=_bits)(SignedInteger)
    REGISTRY.register(f"uint{_bits}", bits=_bits)(UnsignedInteger)
