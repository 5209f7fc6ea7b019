"""Formats answer one question: which grid of numbers can a quantized value take?"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qdash.quant.affine import QuantParameters
from qdash.quant.cells import Cells
from qdash.registry import Member, Registry

if TYPE_CHECKING:
    from torch import Tensor

REGISTRY: "Registry[Format]" = Registry("formats")


class Format(Member):
    """A grid of representable numbers.

    Laws, tested over all members: quantizing twice changes nothing more; zero stays exactly zero; the result keeps
    shape and dtype; NaN stays NaN; torch and NumPy agree to the bit.
    """

    lossless: ClassVar[bool] = False

    @property
    @abstractmethod
    def bits_per_value(self) -> float:
        """Storage bits of one value, shared scales of blocks included, per-tensor or per-channel scales not."""

    @property
    def has_negative_numbers(self) -> bool:
        """Whether the symmetric grid reaches below zero; if not, it fits only data without negative values."""
        return True

    @abstractmethod
    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str) -> QuantParameters:
        """Scale and zero point for clipping ranges.

        `low`, `high`: float64 arrays of one shape; the result has the same shape. Computed in float64 and rounded to
        float32 once. Raises SpecError where the scheme can't represent the range.
        """

    @abstractmethod
    def fake_quantize(self, x: Any, scale: Any, zero_point: Any, scheme: str) -> Any:
        """Round `x` to the grid and back: NumPy arrays or torch tensors, `scale` and `zero_point` broadcastable to it.

        `scheme` as given to `parameters`: a symmetric grid is narrower than the affine one with zero point 0.
        """

    def live_parameters(self, low: "Tensor", high: "Tensor", scheme: str) -> "tuple[Tensor, Tensor]":
        """The same as `parameters` for torch tensors on their device (dynamic mode: ranges come with every input)."""
        raise NotImplementedError

    @abstractmethod
    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """Expected Σ(x − x̃)² of a distribution for candidate ranges.

        `low`, `high`: (rows, candidates); the result: (rows, candidates), in units of the cells' mass.
        """

    @abstractmethod
    def magnitude_levels(self, scheme: str, one_sided: bool) -> int:
        """How many levels cover |x| up to the clipping threshold, for the entropy criterion (int8: 128).

        `one_sided`: the data have one sign only, so that an affine grid has all its levels on that side.
        """
