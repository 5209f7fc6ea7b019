"""One scale for the whole tensor."""

from typing import ClassVar

from qdash.granularities.base import REGISTRY, Granularity
from qdash.quant.arrays import Array


@REGISTRY.register("per_tensor")
class PerTensor(Granularity):
    """All values share one scale: the usual choice for calibrated inputs, the coarsest for weights."""

    calibrated_inputs: ClassVar[bool] = True
    live_inputs: ClassVar[bool] = True

    def rows(self, x: Array, axis: int = 0) -> Array:
        """(1, values)."""
        return x.reshape(1, -1)

    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The tensor again."""
        return rows.reshape(shape)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """Every axis."""
        return tuple(range(ndim))

    def scales(self, channels: int, length: int) -> int:
        """One."""
        return 1
