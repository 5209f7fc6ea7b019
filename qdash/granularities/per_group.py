"""One scale for a few neighbouring weights."""

from typing import Any, ClassVar

from pydantic import Field

from qdash.errors import SpecError
from qdash.granularities.base import REGISTRY, Granularity
from qdash.granularities.per_channel import PerChannel


@REGISTRY.register("per_group")
class PerGroup(Granularity):
    """Groups of neighbouring weights along the input axis of each output channel share a scale.

    The usual choice for 4-bit weights of language models. A convolution's kernel positions follow its input channels in
    one row; the group size must divide the row.
    """

    examples: ClassVar[tuple[str, ...]] = ("per_group", "per_group:size=32")
    size: int = Field(128, ge=1, description="weights in a group")

    def rows(self, x: Any, axis: int = 0) -> Any:
        """(groups, size); the groups of one channel follow each other."""
        channels = PerChannel().rows(x, axis)
        if channels.shape[1] % self.size:
            raise SpecError(
                f"per_group:size={self.size} doesn't divide the {channels.shape[1]} weights of a channel of the shape "
                f"{tuple(x.shape)}; choose a divisor, or per_channel"
            )
        return channels.reshape(-1, self.size)

    def restore(self, rows: Any, shape: tuple[int, ...], axis: int = 0) -> Any:
        """The tensor again."""
        return PerChannel().restore(rows.reshape(shape[axis], -1), shape, axis)

    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """Always SpecError: a group is a part of an axis."""
        raise SpecError("per_group has no range per whole axis; for inputs choose per_tensor, per_token or per_sample")
