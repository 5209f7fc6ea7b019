"""Maths written once for NumPy arrays and torch tensors."""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


class Namespace(Protocol[Array]):
    """Functions that NumPy and torch have under one name. Conditions are arrays of bool."""

    nan: float
    int32: Any
    int64: Any
    float32: Any

    def abs(self, x: Array, /) -> Array: ...

    def amax(self, x: Array, /, axis: int | tuple[int, ...], keepdims: bool) -> Array: ...

    def asarray(self, x: Array, /, dtype: object) -> Array: ...

    def clip(self, x: Array, low: float | None, high: float | None, /) -> Array: ...

    def concatenate(self, arrays: list[Array], /, axis: int) -> Array: ...

    def full_like(self, x: Array, value: float, /) -> Array: ...

    def isfinite(self, x: Array, /) -> Array: ...

    def isnan(self, x: Array, /) -> Array: ...

    def maximum(self, x: Array, y: Array, /) -> Array: ...

    def minimum(self, x: Array, y: Array, /) -> Array: ...

    def nextafter(self, x: Array, y: Array, /) -> Array: ...

    def round(self, x: Array, /) -> Array: ...

    def where(self, condition: Array, x: Array | float, y: Array | float, /) -> Array: ...

    def zeros_like(self, x: Array, /, dtype: object = None) -> Array: ...


def namespace(x: Array) -> Namespace[Array]:
    """`numpy` or `torch`, whichever `x`, of any shape, belongs to."""
    found: Any = np
    if not isinstance(x, np.ndarray | np.generic):
        import torch

        found = torch
    functions: Namespace[Array] = found
    return functions


def in_blocks(x: Array, size: int) -> Array:
    """(…, n) as (…, blocks, size); the last block is filled up with zeros. Where n < size there is one block of n."""
    length = x.shape[-1]
    size = max(1, min(size, length))
    blocks = -(-length // size)
    if missing := blocks * size - length:
        xp = namespace(x)
        x = xp.concatenate([x, xp.zeros_like(x[..., :missing])], axis=-1)
    return x.reshape(*x.shape[:-1], blocks, size)


def joined(blocks: Array, length: int) -> Array:
    """The inverse of `in_blocks`: (…, blocks, size) as (…, length), without what filled the last block up."""
    *outer, count, size = blocks.shape
    return blocks.reshape(*outer, count * size)[..., :length]
