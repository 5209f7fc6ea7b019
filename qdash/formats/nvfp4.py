"""NVIDIA's 4-bit floating point: blocks of 16 with an 8-bit float scale below a scale of the tensor."""

from typing import ClassVar

from qdash.formats.base import REGISTRY
from qdash.formats.blocks import BlockFormat, largest
from qdash.quant.affine import SMALLEST_SCALE
from qdash.quant.arrays import Array, namespace
from qdash.quant.minifloat import E2M1, E4M3FN

SMALLEST_BLOCK_SCALE = 2.0**E4M3FN.min_exponent  # as torchao: no subnormal block scales, whose rounding is coarse


@REGISTRY.register("nvfp4")
class Nvfp4(BlockFormat):
    """NVFP4: 4-bit floats (e2m1) in blocks of 16 along the input axis, each block with an e4m3 scale.

    4.5 bits per value. The block scales are themselves scaled by one FP32 number a tensor, largest magnitude / (448·6).
    Inputs take it over each sample as it comes, so that the batch has no part in it (runtimes calibrate it ahead). A
    block more than 28,672 times smaller than the largest value loses precision. As torchao's NVFP4Tensor.
    """

    block: ClassVar[int] = 16
    scale_bits: ClassVar[int] = 8

    @property
    def element_bits(self) -> int:
        """4."""
        return 4

    def round_blocks(self, blocks: Array) -> Array:
        """Block scale e4m3(largest / 6 / tensor scale), at least 2⁻⁶; elements to nearest even, saturating."""
        xp, top = namespace(blocks), largest(blocks)
        tensor = xp.amax(top, axis=(1, 2, 3), keepdims=True) / (E4M3FN.largest * E2M1.largest)
        tensor = xp.clip(tensor, SMALLEST_SCALE, None)  # of a tensor of zeros, too
        scale = tensor * E4M3FN.round(xp.clip(top / E2M1.largest / tensor, SMALLEST_BLOCK_SCALE, None))
        rounded: Array = E2M1.round(blocks / scale) * scale
        return rounded
