"""How many values fell into each of 65,536 bins, of which few are ever used."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

BINS = 1 << 16
_FEW = 64  # tensors whose counts of all bins are 16 MB


class BinCounts:
    """Counts that grow by batches, of all bins: for few tensors, and for an accelerator, where finding those in use
    would wait for it, as torch.bincount does."""

    def __init__(self, device: torch.device):
        self._counts = torch.zeros(BINS, dtype=torch.int32, device=device)

    def add(self, bins: Tensor) -> None:
        """One more in the bin of each value; integers of 0 to 65,535, shape (values,)."""
        self._counts.scatter_add_(0, bins.long(), torch.ones_like(bins, dtype=torch.int32))

    def used(self) -> tuple[np.ndarray, np.ndarray]:
        """(bins in order, their counts), both int32 of shape (used bins,): only where there is a value."""
        counts = self._counts.cpu().numpy()
        bins = np.flatnonzero(counts)
        return bins.astype(np.int32), counts[bins]


class SparseBinCounts(BinCounts):
    """The same on the processor, where only the bins in use are kept: a thousand layers would hold 256 MB of zeros.

    scratch: (65,536,) int64, all zero between calls; one for many counts, since blocks of its size between small ones
    that stay would leave holes in the heap that nothing fits.
    """

    def __init__(self, scratch: Tensor):
        self._scratch = scratch
        self._bins = self._counts = torch.zeros(0, dtype=torch.int32)

    def add(self, bins: Tensor) -> None:
        """See BinCounts."""
        self._scratch.index_copy_(0, self._bins.long(), self._counts.long())
        self._scratch.scatter_add_(0, bins.long(), torch.ones_like(bins, dtype=torch.int64))
        bins = self._scratch.nonzero().squeeze(1)
        self._bins, self._counts = bins.int(), self._scratch[bins].int()
        self._scratch[bins] = 0

    def used(self) -> tuple[np.ndarray, np.ndarray]:
        """See BinCounts."""
        return self._bins.numpy(), self._counts.numpy()


def counting(tensors: int) -> Callable[[torch.device], BinCounts]:
    """Makes the counts of one pass over so many tensors: what it returns gives new ones that suit a device."""
    scratch = torch.zeros(BINS, dtype=torch.int64)

    def counts(device: torch.device) -> BinCounts:
        return SparseBinCounts(scratch) if device.type == "cpu" and tensors > _FEW else BinCounts(device)

    return counts
