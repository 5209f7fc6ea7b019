"""Smallest and largest value of every channel, fast in every memory layout."""

import torch
from torch import Tensor

from qdash.tensors.layout import in_memory_order

# torch's reductions over rows are vectorised for rows of whole vectors; others take up to 25 times as long.
_VECTOR, _TOGETHER = 32, 32


def channel_range(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """(minimum, maximum) over all axes but one, each (channels,), of a tensor with at least one value."""
    axis = axis % x.dim() if x.dim() else 0
    rest = [d for d in range(x.dim()) if d != axis]
    if not rest:
        return x.reshape(-1), x.reshape(-1)
    channels = x.shape[axis]
    laid_out = in_memory_order(x)
    innermost = x.stride(axis) == 1 and laid_out.is_contiguous() and laid_out.shape[-1] == channels
    if x.is_cuda or not innermost or channels % _VECTOR == 0:
        return x.amin(rest), x.amax(rest)
    return _of_rows(laid_out.reshape(-1, channels))


def _of_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of (values, channels): several rows are taken as one long row first."""
    whole = len(rows) // _TOGETHER * _TOGETHER
    wide, left = rows[:whole].reshape(-1, _TOGETHER * rows.shape[1]), rows[whole:]
    if not len(wide):
        return left.amin(0), left.amax(0)
    low, high = (torch.cat([part.view(_TOGETHER, -1), left]) for part in (wide.amin(0), wide.amax(0)))
    return low.amin(0), high.amax(0)
