"""One scale for each sample of a batch."""

from typing import ClassVar

from qdash.granularities.base import REGISTRY, Granularity, all_but, checked_axis
from qdash.quant.arrays import Array


@REGISTRY.register("per_sample")
class PerSample(Granularity):
    """Every sample has its own scale: dynamic inputs of convolutions, independent of the batch they came in."""

    live_inputs: ClassVar[bool] = True
    channel_axis: ClassVar[int] = 1

    def rows(self, x: Array, axis: int = 0) -> Array:
        """(samples, values); `axis` has no part in it: samples lie along the first."""
        checked_axis(x.shape, 0, "per_sample")
        return x.reshape(x.shape[0], -1)

    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The tensor again."""
        return rows.reshape(shape)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """Every axis but the first."""
        return all_but(ndim, 0)

    def scales(self, channels: int, length: int) -> int:
        """One for every index of the first axis."""
        return channels
