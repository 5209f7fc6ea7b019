"""Maths written once for NumPy arrays and torch tensors."""

from typing import Any

import numpy as np


def namespace(x: Any) -> Any:
    """`numpy` or `torch`, whichever `x` belongs to: the functions that both have under one name are found there."""
    if isinstance(x, np.ndarray | np.generic):
        return np
    import torch

    return torch


def in_blocks(x: Any, size: int) -> Any:
    """(…, n) as (…, blocks, size); the last block is filled up with zeros. Where n < size there is one block of n."""
    length = x.shape[-1]
    size = max(1, min(size, length))
    blocks = -(-length // size)
    if missing := blocks * size - length:
        x = namespace(x).concatenate([x, namespace(x).zeros_like(x[..., :missing])], axis=-1)
    return x.reshape(*x.shape[:-1], blocks, size)


def joined(blocks: Any, length: int) -> Any:
    """The inverse of `in_blocks`: (…, blocks, size) as (…, length), without what filled the last block up."""
    *outer, count, size = blocks.shape
    return blocks.reshape(*outer, count * size)[..., :length]
