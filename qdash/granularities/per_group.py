"""One scale for a few neighbouring weights."""

from math import prod
from typing import ClassVar

from pydantic import Field

from qdash.errors import SpecError
from qdash.granularities.base import REGISTRY, Granularity
from qdash.granularities.per_channel import PerChannel
from qdash.quant.arrays import Array, in_blocks, joined


@REGISTRY.register("per_group")
class PerGroup(Granularity):
    """Groups of neighbouring weights along the input axis of each output channel share a scale.

    The usual choice for 4-bit weights of language models. A convolution's kernel positions follow its input channels in
    one row. Where the group size doesn't divide the row, zeros fill the last group up; they have no effect on the range
    but in percentile, which counts them. A row shorter than the group size is one group.
    """

    examples: ClassVar[tuple[str, ...]] = ("per_group", "per_group:size=32")
    size: int = Field(128, ge=1, description="weights in a group")

    def rows(self, x: Array, axis: int = 0) -> Array:
        """(groups, size); the groups of one channel follow each other."""
        groups = in_blocks(PerChannel().rows(x, axis), self.size)
        return groups.reshape(-1, groups.shape[-1])

    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The tensor again, without what filled its groups up."""
        channels = shape[axis]
        groups = rows.reshape(channels, len(rows) // channels, rows.shape[-1])
        return PerChannel().restore(joined(groups, prod(shape) // channels), shape, axis)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """Always SpecError: a group is a part of an axis."""
        raise SpecError("per_group has no range per whole axis; for inputs choose per_tensor, per_token or per_sample")

    def scales(self, channels: int, length: int) -> int:
        """Of every group, short ones too."""
        return channels * -(-length // self.size)
