"""8-bit floating point with one scale per tensor or channel (Micikevicius et al. 2022, arXiv:2209.05433)."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from qdash.formats.base import REGISTRY, ScaledFormat
from qdash.quant.affine import QuantParameters, symmetric_parameters
from qdash.quant.arrays import Array
from qdash.quant.cells import Cells
from qdash.quant.minifloat import E4M3FN, E5M2, Minifloat, magnitudes
from qdash.quant.squared_error import squared_error

if TYPE_CHECKING:
    from torch import Tensor


class Float8(ScaledFormat):
    """8-bit floating point; subclasses say how the bits are divided. The scale is largest magnitude / largest number.

    What lies beyond the range saturates. There is no zero point: the affine scheme is the symmetric one.
    """

    has_zero_point: ClassVar[bool] = False
    numbers: ClassVar[Minifloat]

    @property
    def bits_per_value(self) -> float:
        """8."""
        return 8.0

    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str, power_of_two: bool = False) -> QuantParameters:
        """max(|low|, |high|) / largest number, zero point 0."""
        return QuantParameters(*symmetric_parameters(low, high, self.numbers.largest, power_of_two))

    def live_parameters(
        self, low: "Tensor", high: "Tensor", scheme: str, power_of_two: bool = False
    ) -> "tuple[Tensor, Tensor]":
        """The same as `parameters`, on the tensors' device."""
        return symmetric_parameters(low.double(), high.double(), self.numbers.largest, power_of_two)

    def fake_quantize(self, x: Array, scale: Array, zero_point: Array, scheme: str) -> Array:
        """To the nearest number, ties to even; saturating, infinities too."""
        if isinstance(x, np.ndarray):
            with np.errstate(over="ignore"):  # a quotient beyond float32 saturates
                rounded: np.ndarray = self.numbers.round(x / scale) * scale
                return rounded.astype(x.dtype, copy=False)
        wide = x.float() if x.element_size() < 4 else x
        return (self.numbers.round(wide / scale) * scale).to(x.dtype)

    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """`quant.squared_error`, with the scale rounded as it is when applied."""
        return squared_error(cells, self.parameters(low, high, scheme).scale, self.numbers.round)

    def level_edges(self, scheme: str, one_sided: bool) -> np.ndarray:
        """Half-way between neighbouring numbers: levels grow with the magnitude."""
        numbers = magnitudes(self.numbers) / self.numbers.largest
        return np.concatenate([[0.0], (numbers[1:] + numbers[:-1]) / 2, [1.0]])


@REGISTRY.register("fp8_e4m3fn")
class Float8E4M3(Float8):
    """8-bit floating point with 4 exponent and 3 mantissa bits, scaled so that the range ends at 448.

    Steps grow with the magnitude, so outliers cost little: the usual 8-bit float of weights and activations on GPUs.
    What lies beyond the range saturates; there is no zero point.
    """

    numbers: ClassVar[Minifloat] = E4M3FN


@REGISTRY.register("fp8_e5m2")
class Float8E5M2(Float8):
    """8-bit floating point with 5 exponent and 2 mantissa bits, scaled so that the range ends at 57,344.

    A wider range and coarser steps than fp8_e4m3fn: made for gradients. What lies beyond the range saturates; there is
    no zero point.
    """

    numbers: ClassVar[Minifloat] = E5M2
