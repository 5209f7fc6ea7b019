"""A distribution as cells: mass spread evenly over [low, high]; a point mass where both are equal."""

from math import ceil
from typing import NamedTuple

import numpy as np


class Cells(NamedTuple):
    """Arrays of shape (rows, cells): one row per scale. Padding cells have mass 0.

    No cell reaches across zero and cells don't overlap. `low is high` says that all of them are points.
    """

    low: np.ndarray
    high: np.ndarray
    mass: np.ndarray

    @property
    def points(self) -> bool:
        """Whether every cell is a point."""
        return self.low is self.high

    @property
    def alike(self) -> bool:
        """Whether all cells of a row are known to have one mass: it is one number, repeated without a copy."""
        return self.mass.shape[1] > 1 and self.mass.strides[1] == 0

    def take(self, rows: slice | np.ndarray) -> "Cells":
        """Some of the rows, (some, cells); points stay points."""
        low = self.low[rows]
        return Cells(low, low if self.points else self.high[rows], self.mass[rows])


def magnitudes(cells: Cells) -> Cells:
    """The distribution of |x|; cells from both signs may coincide."""
    low = np.abs(cells.low)
    if cells.points:
        return Cells(low, low, cells.mass)
    high = np.abs(cells.high)
    return Cells(np.minimum(low, high), np.maximum(low, high), cells.mass)


def quantile(cells: Cells, fraction: float) -> np.ndarray:
    """The smallest x with P(X ≤ x) ≥ fraction, (rows,) float64; evenly within a cell, NaN for a row without mass.

    For point cells this is NumPy's `inverted_cdf`.
    """
    if cells.points and cells.alike:
        return _order_statistic(cells, fraction)
    order = np.argsort(cells.high, axis=1)
    low, high, mass = (np.take_along_axis(np.asarray(part, np.float64), order, axis=1) for part in cells)
    if not mass.shape[1]:
        return np.full(len(mass), np.nan)
    cumulative = np.cumsum(mass, axis=1)
    target = fraction * cumulative[:, -1:]
    first = np.argmax((cumulative >= target) & (mass > 0), axis=1)[:, None]
    low, high, mass, below = (np.take_along_axis(part, first, axis=1) for part in (low, high, mass, cumulative))
    share = np.divide(target - below + mass, mass, out=np.full(mass.shape, np.nan), where=mass > 0)
    value: np.ndarray = low + (high - low) * np.clip(share, 0, 1)
    return value[:, 0]


def _order_statistic(cells: Cells, fraction: float) -> np.ndarray:
    """`quantile` of points that count alike: a partition instead of a sort."""
    count = cells.low.shape[1]
    place = max(0, ceil(fraction * count) - 1)
    values = np.partition(cells.low, place, axis=1)[:, place].astype(np.float64)
    return np.where(cells.mass[:, 0] > 0, values, np.nan)


def linear_histogram(cells: Cells, limit: np.ndarray, bins: int) -> np.ndarray:
    """Mass in `bins` equal bins of [0, limit], (rows, bins), of non-negative cells; `limit`: (rows,), positive.

    A cell that covers several bins is shared out by length. What lies beyond the limit counts in the last bin.
    """
    shape = cells.mass.shape[0], bins
    if cells.points:
        bin_ = np.minimum(cells.low / (limit / bins)[:, None], bins - 1).astype(np.int64)
        flat = bin_ + np.arange(0, shape[0] * bins, bins)[:, None]
        return np.bincount(flat.ravel(), cells.mass.ravel(), shape[0] * bins).reshape(shape)
    row, column = np.nonzero(cells.mass)
    width = (limit / bins)[row]
    low, high = cells.low[row, column] / width, cells.high[row, column] / width
    first = np.minimum(low, bins - 1).astype(np.int64)
    last = np.clip(np.ceil(high) - 1, first, bins - 1).astype(np.int64)
    pieces = last - first + 1
    cell = np.repeat(np.arange(len(row)), pieces)
    bin_ = np.arange(len(cell)) - np.repeat(np.cumsum(pieces) - pieces - first, pieces)
    overlap = np.where(bin_ < bins - 1, np.minimum(high[cell], bin_ + 1), high[cell]) - np.maximum(low[cell], bin_)
    share = np.where(pieces[cell] == 1, 1.0, overlap / np.where(high > low, high - low, 1.0)[cell])
    weights = cells.mass[row, column][cell] * share
    return np.bincount(row[cell] * bins + bin_, weights, shape[0] * bins).reshape(shape)
