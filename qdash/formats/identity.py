"""No quantization: the reference of every comparison."""

from typing import Any, ClassVar

from qdash.formats.base import REGISTRY, SelfScaledFormat


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

    def fake_quantize_blocks(self, x: Any, axis: int = -1, samples: bool = False) -> Any:
        """The same object: nothing is computed, so nothing can be lost."""
        return x
