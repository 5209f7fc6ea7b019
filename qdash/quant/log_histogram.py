"""A histogram whose bins never change: the upper 16 bits of a float32 (sign, exponent, 7 mantissa bits).

Bins are fixed, so histograms of batches add up, in any order, and no outlier moves an edge. A bin is at most 1/128 of
its value wide. NaN and infinities have no place in it: leave them out before counting.
"""

from typing import NamedTuple

import numpy as np

from qdash.quant.cells import Cells

NEGATIVE = 32_768


class LogHistogram(NamedTuple):
    """Occupied bins only: `bins` (k,) int32, ascending; `counts` (k,) int64."""

    bins: np.ndarray
    counts: np.ndarray

    def cells(self, minimum: float, maximum: float) -> Cells:
        """One row of cells in ascending order, within the exact [minimum, maximum].

        Where the outermost bins hold the extremes, one value of each is a point there: spread over its bin, a far
        outlier would look as if it couldn't be represented exactly. ±0 is a point; the subnormals below 2⁻¹³³ share its
        bin.
        """
        low, high = (np.clip(edge, minimum, maximum) for edge in bin_edges(self.bins))
        mass, points = self.counts.astype(np.float64), []
        for extreme in dict.fromkeys((minimum, maximum)):
            held = (self.bins == bin_indices(np.array(extreme))) & (mass > 0) & (low < high)
            mass[held] -= 1
            points += [extreme] * int(held.sum())
        low, high, mass = (np.append(x, p) for x, p in ((low, points), (high, points), (mass, np.ones(len(points)))))
        order = np.argsort(low + high, kind="stable")
        order = order[mass[order] > 0]
        return Cells(low[None, order], high[None, order], mass[None, order])


def bin_indices(values: np.ndarray) -> np.ndarray:
    """The bin of each value, int32 of the same shape, 0 … 65,535; values are taken as float32."""
    return (np.asarray(values, np.float32).view(np.int32) >> 16) & 0xFFFF


def bin_edges(bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of each bin, float64; truncation is toward zero, so negative bins reach downward."""
    magnitude = (np.asarray(bins, np.int32) & (NEGATIVE - 1)).astype(np.int32)
    inner, outer = (
        ((magnitude + step) << 16).view(np.float32).astype(np.float64) for step in (np.int32(0), np.int32(1))
    )
    outer = np.where(magnitude == 0, 0.0, np.minimum(outer, np.finfo(np.float32).max))
    negative = np.asarray(bins) >= NEGATIVE
    return np.where(negative, -outer, inner), np.where(negative, -inner, outer)
