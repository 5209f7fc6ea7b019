"""Granularities answer one question: which values of a tensor share a scale?"""

from abc import abstractmethod
from typing import ClassVar

from qdash.errors import SpecError
from qdash.quant.arrays import Array
from qdash.registry import Member, Registry

REGISTRY: "Registry[Granularity]" = Registry("granularities")


class Granularity(Member):
    """Splits a tensor into rows that share a scale.

    Law, tested over all members: `restore(rows(x))` is `x`, for NumPy arrays and torch tensors alike.

    `calibrated_inputs`, `live_inputs`: whether inputs may share scales so, with fixed ranges or with each input's own.
    """

    calibrated_inputs: ClassVar[bool] = False
    live_inputs: ClassVar[bool] = False
    channel_axis: ClassVar[int] = -1  # where an input has its channels, if its scales are shared so

    @abstractmethod
    def rows(self, x: Array, axis: int = 0) -> Array:
        """A 2-D array or tensor (rows, values): every row has its own scale. `axis` is the channel axis.

        Raises SpecError where the tensor's shape doesn't fit.
        """

    @abstractmethod
    def restore(self, rows: Array, shape: tuple[int, ...], axis: int = 0) -> Array:
        """The inverse of `rows` for a tensor of this shape."""

    @abstractmethod
    def reduced(self, ndim: int, axis: int = 0) -> tuple[int, ...]:
        """The axes over which one range is taken, so that ranges kept as size 1 broadcast against the tensor.

        Raises SpecError where a granularity can't be expressed so (groups).
        """

    @abstractmethod
    def scales(self, channels: int, length: int) -> int:
        """How many scales a weight of `channels` × `length` values has."""


def checked_axis(shape: tuple[int, ...], axis: int, granularity: str) -> int:
    """`axis` counted from the front; SpecError where the shape has no such axis."""
    if not -len(shape) <= axis < len(shape):
        raise SpecError(f"{granularity}: a tensor of shape {tuple(shape)} has no axis {axis}; choose per_tensor")
    return axis % len(shape)


def all_but(ndim: int, axis: int) -> tuple[int, ...]:
    """The axes 0 … ndim − 1 without one."""
    return tuple(i for i in range(ndim) if i != axis % ndim)
