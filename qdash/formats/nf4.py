"""4-bit NormalFloat (Dettmers et al. 2023, QLoRA, arXiv:2305.14314)."""

from typing import ClassVar

import numpy as np

from qdash.formats.base import REGISTRY
from qdash.formats.blocks import BlockFormat, largest
from qdash.quant.affine import SMALLEST_SCALE
from qdash.quant.arrays import Array, namespace

# Appendix E of the paper: means of equally likely parts of a normal distribution, with an exact zero.
LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
    -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


@REGISTRY.register("nf4")
class NormalFloat4(BlockFormat):
    """4-bit NormalFloat of QLoRA: 16 levels placed for normally distributed weights, in blocks of 64 scaled by their
    largest magnitude.

    4.5 bits per value with FP32 scales (4.13 with double quantization, which changes the scales by less than 1 % and is
    not simulated). Blocks lie along the input axis. Made for weights; inputs are possible.
    """

    block: ClassVar[int] = 64
    scale_bits: ClassVar[int] = 32

    @property
    def element_bits(self) -> int:
        """4."""
        return 4

    def round_blocks(self, blocks: Array) -> Array:
        """The nearest level of value/largest, times largest; half-way between two levels, the lower one."""
        scale = namespace(blocks).clip(largest(blocks), SMALLEST_SCALE, None)
        levels = np.array(LEVELS, np.float32)
        middles = (levels[1:] + levels[:-1]) / 2
        if isinstance(blocks, np.ndarray):
            rounded: np.ndarray = levels[np.searchsorted(middles, blocks / scale)] * scale
            return rounded
        import torch

        on_device, edges = (torch.from_numpy(part).to(blocks.device) for part in (levels, middles))
        return on_device[torch.bucketize((blocks / scale).contiguous(), edges)] * scale
