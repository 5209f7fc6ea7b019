"""One scale for each token."""

from typing import ClassVar

from qdash.granularities.base import REGISTRY, Granularity, checked_axis
from qdash.quant.arrays import Array


@REGISTRY.register("per_token")
class PerToken(Granularity):
    """Every vector along the last axis has its own scale: dynamic inputs of linear layers."""

    live_inputs: ClassVar[bool] = True

    def rows(self, x: Array, axis: int = 0) -> Array:
        """(tokens, features); `axis` has no part in it."""
        checked_axis(x.shape, -1, "per_token")
        return x.reshape(-1, x.shape[-1])

    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The tensor again."""
        return rows.reshape(shape)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """The last axis."""
        return (ndim - 1,)

    def scales(self, channels: int, length: int) -> int:
        """One for every vector along the last axis of a matrix."""
        return channels
