"""No quantization: the reference of every comparison."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qdash.formats.base import REGISTRY, Format
from qdash.quant.affine import QuantParameters
from qdash.quant.cells import Cells

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("identity")
class Identity(Format):
    """Values stay as they are (FP32): exactly no loss, 32 bits per value.

    Use it to leave only weights or only inputs quantized, or to check that a sweep itself changes nothing.
    """

    lossless: ClassVar[bool] = True

    @property
    def bits_per_value(self) -> float:
        """Those of float32."""
        return 32.0

    def parameters(self, low: np.ndarray, high: np.ndarray, scheme: str) -> QuantParameters:
        """Scale 1 and zero point 0 for any range."""
        return QuantParameters(np.ones(np.shape(low), np.float32), np.zeros(np.shape(low), np.int32))

    def live_parameters(self, low: "Tensor", high: "Tensor", scheme: str) -> "tuple[Tensor, Tensor]":
        """Scale 1 and zero point 0 for any range."""
        return low.new_ones(low.shape).float(), low.new_zeros(low.shape).int()

    def fake_quantize(self, x: Any, scale: Any, zero_point: Any, scheme: str) -> Any:
        """The same object: nothing is computed, so nothing can be lost."""
        return x

    def squared_error(self, cells: Cells, low: np.ndarray, high: np.ndarray, scheme: str) -> np.ndarray:
        """Zero for every range."""
        return np.zeros(np.shape(low))

    def magnitude_levels(self, scheme: str, one_sided: bool) -> int:
        """Those of float32's mantissa: more than any histogram has bins."""
        return 1 << 24
