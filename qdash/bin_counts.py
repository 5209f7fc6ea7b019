"""How many values fell into each of 65,536 bins, of which few are ever used."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

BINS = 1 << 16


class BinCounts:
    """Counts that grow by batches, of all bins: for an accelerator, where finding those in use would wait for it."""

    def __init__(self) -> None:
        self._counts: Tensor | None = None

    def add(self, bins: Tensor) -> None:
        """One more in the bin of each value; integers of 0 to 65,535, shape (values,)."""
        counts = torch.bincount(bins, minlength=BINS)
        self._counts = counts if self._counts is None else self._counts.add_(counts)

    def used(self) -> tuple[np.ndarray, np.ndarray]:
        """(bins int32 in order, their counts int64), only where there is a value."""
        counts = np.zeros(BINS, np.int64) if self._counts is None else self._counts.cpu().numpy()
        bins = np.flatnonzero(counts)
        return bins.astype(np.int32), counts[bins]


class SparseBinCounts(BinCounts):
    """The same on the processor, where only the bins in use are kept: a thousand layers would hold 256 MB of zeros.

    scratch: (65,536,) int64, all zero between calls; one for many counts, since blocks of its size between small ones
    that stay would leave holes in the heap that nothing fits.
    """

    def __init__(self, scratch: Tensor):
        super().__init__()
        self._scratch = scratch
        self._bins = torch.zeros(0, dtype=torch.int64)
        self._counts: Tensor = torch.zeros(0, dtype=torch.int64)

    def add(self, bins: Tensor) -> None:
        """See BinCounts."""
        self._scratch.index_copy_(0, self._bins, self._counts)
        self._scratch.scatter_add_(0, bins.long(), torch.ones_like(bins, dtype=torch.int64))
        self._bins = self._scratch.nonzero().squeeze(1)
        self._counts = self._scratch[self._bins]
        self._scratch[self._bins] = 0

    def used(self) -> tuple[np.ndarray, np.ndarray]:
        """See BinCounts."""
        return self._bins.numpy().astype(np.int32), self._counts.numpy()


def counting() -> Callable[[torch.device], BinCounts]:
    """Makes the counts of one pass: what it returns gives new ones that suit a device."""
    scratch = torch.zeros(BINS, dtype=torch.int64)
    return lambda device: SparseBinCounts(scratch) if device.type == "cpu" else BinCounts()
