"""What formats with scaled blocks have in common: the way from a tensor to its blocks and back."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from qdash.formats.base import SelfScaledFormat
from qdash.quant.arrays import Array, in_blocks, joined, namespace


class BlockFormat(SelfScaledFormat):
    """Neighbouring values along one axis share a scale.

    A block with a NaN or infinity has no scale: all of it becomes NaN.
    """

    block: ClassVar[int]
    scale_bits: ClassVar[int]

    @property
    @abstractmethod
    def element_bits(self) -> int:
        """Of one value without its share of the scale."""

    @property
    def bits_per_value(self) -> float:
        """Element and its share of the block's scale."""
        return self.element_bits + self.scale_bits / self.block

    def storage_bits(self, vectors: int, length: int) -> float:
        """A short block has a whole scale."""
        return vectors * (length * self.element_bits + -(-length // self.block) * self.scale_bits)

    @abstractmethod
    def round_blocks(self, blocks: Array) -> Array:
        """float32 to the format and back: (tensors, vectors, blocks, values of a block)."""

    def fake_quantize_blocks(self, x: Array, axis: int = -1, samples: bool = False) -> Array:
        """See `SelfScaledFormat`."""
        if 0 in x.shape:
            return x
        if not x.shape:
            return self.fake_quantize_blocks(x.reshape(1)).reshape(())
        vectors = x.swapaxes(axis, -1)
        tensors = vectors.shape[0] if samples and vectors.ndim > 1 else 1
        values = _float32(vectors).reshape(tensors, -1, vectors.shape[-1])
        rounded = joined(self.round_blocks(in_blocks(values, self.block)), vectors.shape[-1])
        return _like(rounded.reshape(vectors.shape).swapaxes(axis, -1), x)


def largest(blocks: Array) -> Array:
    """The largest magnitude of each block, (…, 1); NaN where a value is NaN or infinite."""
    xp = namespace(blocks)
    magnitude = xp.amax(xp.abs(blocks), axis=-1, keepdims=True)
    return xp.where(xp.isfinite(magnitude), magnitude, xp.nan)


def _float32(x: Array) -> Array:
    return x.astype(np.float32) if isinstance(x, np.ndarray) else x.float()


def _like(values: Array, x: Array) -> Array:
    """With dtype and memory format of `x`: kernels choose their way by the layout."""
    if isinstance(x, np.ndarray):
        return values.astype(x.dtype)
    import torch

    return torch.empty_like(x).copy_(values)
