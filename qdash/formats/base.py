"""Formats answer one question: which grid of numbers can a quantized value take?"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qdash.quant.affine import QuantParameters
from qdash.quant.arrays import Array
from qdash.quant.cells import Cells
from qdash.registry import Member, Registry

if TYPE_CHECKING:
    from torch import Tensor

REGISTRY: "Registry[Format]" = Registry("formats")


class Format(Member):
    """A grid of representable numbers: a `ScaledFormat` or a `SelfScaledFormat`, as `needs_range` says.

    Laws, tested over all members: quantizing twice changes nothing more; zero stays exactly zero; the result keeps
    shape and dtype; NaN stays NaN; torch and NumPy agree to the bit.
    """

    lossless: ClassVar[bool] = False
    needs_range: ClassVar[bool]

    @property
    @abstractmethod
    def bits_per_value(self) -> float:
        """Storage bits of one value, shared scales of full blocks included, per-tensor or per-channel scales not."""

    def storage_bits(self, vectors: int, length: int) -> float:
        """Of `vectors` × `length` values, blocks running along the length; per-tensor or per-channel scales not."""
        return vectors * length * self.bits_per_value


class ScaledFormat(Format):
    """A grid that is scaled, and moved by a zero point, to fit a clipping range which an observer chose."""

    needs_range: ClassVar[bool] = True
    has_zero_point: ClassVar[bool] = True

    @property
    def has_negative_numbers(self) -> bool:
        """Whether the symmetric grid reaches below zero; if not, it fits only data without negative values."""
        return True

    @abstractmethod
    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str, power_of_two: bool = False) -> QuantParameters:
        """Scale and zero point for clipping ranges.

        `low`, `high`: float64 arrays of one shape; the result has the same shape. Computed in float64 and rounded to
        float32 once. `power_of_two`: the scale is rounded up to a power of two. Raises SpecError where the scheme can't
        represent the range.
        """

    @abstractmethod
    def live_parameters(
        self, low: "Tensor", high: "Tensor", scheme: str, power_of_two: bool = False
    ) -> "tuple[Tensor, Tensor]":
        """The same as `parameters` for torch tensors on their device (dynamic mode: ranges come with every input).

        `low`, `high`: of one shape, which scale (float32) and zero point (int32) have too.
        """

    @abstractmethod
    def fake_quantize(self, x: Array, scale: Array, zero_point: Array, scheme: str) -> Array:
        """Round `x`, of any shape and floating dtype, to the grid and back; `scale` and `zero_point` broadcast to it.

        NumPy arrays or torch tensors; keeps shape, dtype and memory format.

        `scheme` as given to `parameters`: a symmetric grid is narrower than the affine one with zero point 0.
        """

    @abstractmethod
    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """Expected Σ(x − x̃)² of a distribution for candidate ranges.

        `low`, `high`: (rows, candidates); the result: (rows, candidates), in units of the cells' mass.
        """

    @abstractmethod
    def level_edges(self, scheme: str, one_sided: bool) -> np.ndarray:
        """Where the levels of |x| begin and end as shares of the clipping threshold, for the entropy criterion.

        (levels + 1,) from 0 to 1; int8 has 128 levels. `one_sided`: the data have one sign only, so that an affine grid
        has all its levels on that side.
        """


class SelfScaledFormat(Format):
    """A format that takes no clipping range: it has no scale, or its scales come from the values, live, block by block.

    Neither an observer nor a granularity is asked, and calibration changes nothing.
    """

    needs_range: ClassVar[bool] = False

    @abstractmethod
    def fake_quantize_blocks(self, x: Array, axis: int = -1, samples: bool = False) -> Array:
        """Round `x` to the format and back: a NumPy array or torch tensor of any shape, blocks along `axis`.

        A block that does not fill is a short block. `samples`: the first axis holds samples that must not see each
        other, so that a scale over a whole tensor is taken over each sample. Computed in float32; keeps dtype and
        memory format.
        """
