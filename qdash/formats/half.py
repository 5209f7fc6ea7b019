"""16-bit floating point without a scale, as a cast gives it."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from qdash.formats.base import REGISTRY, SelfScaledFormat
from qdash.quant.arrays import Array

if TYPE_CHECKING:
    from torch import Tensor


class _Half(SelfScaledFormat):
    """A cast to 16 bits and back."""

    @property
    def bits_per_value(self) -> float:
        """16."""
        return 16.0

    def fake_quantize_blocks(self, x: Array, axis: int = -1, samples: bool = False) -> Array:
        """Value by value: nothing is shared, so `axis` and `samples` have no part in it."""
        if isinstance(x, np.ndarray):
            return self._cast_array(x.astype(np.float32, copy=False)).astype(x.dtype, copy=False)
        return self._cast_tensor(x).to(x.dtype)

    @abstractmethod
    def _cast_array(self, x: np.ndarray) -> np.ndarray:
        """float32 to the nearest number, ties to even."""

    @abstractmethod
    def _cast_tensor(self, x: "Tensor") -> "Tensor": ...


@REGISTRY.register("fp16")
class Float16(_Half):
    """IEEE half precision: 5 exponent and 10 mantissa bits, no scale.

    What rounds beyond 65,504 becomes infinite, as in torch's cast, and shows as non-finite; what is below 6e-8 becomes
    0. If a layer overflows here, bf16 is the way out.
    """

    def _cast_array(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return x.astype(np.float16)

    def _cast_tensor(self, x: "Tensor") -> "Tensor":
        return x.half()


@REGISTRY.register("bf16")
class BFloat16(_Half):
    """bfloat16: the exponent of FP32 with 7 mantissa bits, no scale.

    No overflow where FP32 has none; coarser than fp16 inside fp16's range. What most accelerators compute in.
    """

    def _cast_array(self, x: np.ndarray) -> np.ndarray:
        bits = x.view(np.uint32)
        rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF_0000).view(np.float32)
        return np.where(np.isnan(x), x, rounded)

    def _cast_tensor(self, x: "Tensor") -> "Tensor":
        return x.bfloat16()
