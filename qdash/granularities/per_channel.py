"""One scale for each output channel."""

from qdash.granularities.base import REGISTRY, Granularity, all_but, checked_axis
from qdash.quant.arrays import Array


@REGISTRY.register("per_channel")
class PerChannel(Granularity):
    """Every output channel of a weight has its own scale, which INT8 runtimes apply at no cost: the default there."""

    def rows(self, x: Array, axis: int = 0) -> Array:
        """(channels, values of a channel)."""
        axis = checked_axis(x.shape, axis, "per_channel")
        return x.swapaxes(0, axis).reshape(x.shape[axis], -1)

    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The tensor again."""
        swapped = list(shape)
        swapped[0], swapped[axis] = swapped[axis], swapped[0]
        return rows.reshape(swapped).swapaxes(0, axis)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """Every axis but the channel axis."""
        return all_but(ndim, axis)

    def scales(self, channels: int, length: int) -> int:
        """As many as channels."""
        return channels
