"""No quantization: the reference of every comparison."""

from typing import ClassVar

from qdash.formats.base import REGISTRY, SelfScaledFormat
from qdash.quant.arrays import Array


@REGISTRY.register("identity")
class Identity(SelfScaledFormat):
    """Values stay as they are (FP32): exactly no loss, 32 bits per value.

    Use it to leave only weights or only inputs quantized, or to check that a sweep itself changes nothing.
    """

    lossless: ClassVar[bool] = True

    @property
    def bits_per_value(self) -> float:
        """Those of float32."""
        return 32.0

    def fake_quantize_blocks(self, x: Array, axis: int = -1, samples: bool = False) -> Array:
        """The same object: nothing is computed, so nothing can be lost."""
        return x
