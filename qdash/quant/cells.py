"""A distribution as cells: mass spread evenly over [low, high]; a point mass where both are equal."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 12_288  # values at once: temporaries of 96 KiB stay in the cache, and below malloc's threshold for fresh pages


class Cells(NamedTuple):
    """Arrays of shape (rows, cells): one row per scale. Padding cells have mass 0.

    No cell reaches across zero and cells don't overlap. `low is high` says that all of them are points.
    """

    low: np.ndarray
    high: np.ndarray
    mass: np.ndarray


def squared_error(cells: Cells, scale: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Expected Σ(x − x̃)² under the grid scale · {lowest, …, highest}, in closed form.

    `scale`, `lowest`, `highest`: (rows, candidates), limits in steps (q_min − Z, q_max − Z); the result likewise.
    With t = x/S, n = clip(round(t)) and d = t − n, n/12 + d³/3 is an antiderivative of (t − n)², clipped parts
    included. The mean over a cell follows without cancellation: q + Δn·(1/12 − q)/Δt with q = (d₁² + d₁d₂ + d₂²)/3,
    which is d² for a point.
    """
    total = np.zeros(scale.shape)
    grid = [np.asarray(part, dtype=np.float64)[..., None] for part in (scale, lowest, highest)]
    points = cells.low is cells.high
    for rows, candidates, part in _blocks(scale.shape, cells.mass.shape[1]):
        low, mass = cells.low[rows, None, part], cells.mass[rows, part, None]
        local = tuple(values[rows, candidates] for values in grid)
        errors = _point_errors(low, *local) if points else _cell_errors(low, cells.high[rows, None, part], *local)
        total[rows, candidates] += (errors @ mass)[..., 0]
    return total * np.asarray(scale, dtype=np.float64) ** 2


def magnitudes(cells: Cells) -> Cells:
    """The distribution of |x|; cells from both signs may coincide."""
    low = np.abs(cells.low)
    if cells.low is cells.high:
        return Cells(low, low, cells.mass)
    high = np.abs(cells.high)
    return Cells(np.minimum(low, high), np.maximum(low, high), cells.mass)


def quantile(cells: Cells, fraction: float) -> np.ndarray:
    """The smallest x with P(X ≤ x) ≥ fraction, (rows,) float64; evenly within a cell, NaN for a row without mass.

    For point cells this is NumPy's `inverted_cdf`.
    """
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


def linear_histogram(cells: Cells, limit: np.ndarray, bins: int) -> np.ndarray:
    """Mass in `bins` equal bins of [0, limit], (rows, bins), of non-negative cells; `limit`: (rows,), positive.

    A cell that covers several bins is shared out by length.
    """
    shape = cells.mass.shape[0], bins
    if cells.low is cells.high:
        bin_ = np.minimum((cells.low / (limit / bins)[:, None]).astype(np.int64), bins - 1)
        flat = bin_ + np.arange(0, shape[0] * bins, bins)[:, None]
        return np.bincount(flat.ravel(), cells.mass.ravel(), shape[0] * bins).reshape(shape)
    row, column = np.nonzero(cells.mass)
    width = (limit / bins)[row]
    low, high = cells.low[row, column] / width, cells.high[row, column] / width
    first = np.minimum(low.astype(np.int64), bins - 1)
    last = np.clip(np.ceil(high).astype(np.int64) - 1, first, bins - 1)
    pieces = last - first + 1
    cell = np.repeat(np.arange(len(row)), pieces)
    bin_ = np.arange(len(cell)) - np.repeat(np.cumsum(pieces) - pieces - first, pieces)
    overlap = np.minimum(high[cell], bin_ + 1) - np.maximum(low[cell], bin_)
    share = np.where(pieces[cell] == 1, 1.0, overlap / np.where(high > low, high - low, 1.0)[cell])
    weights = cells.mass[row, column][cell] * share
    return np.bincount(row[cell] * bins + bin_, weights, shape[0] * bins).reshape(shape)


def coarsened(cells: Cells, mantissa_bits: int, octaves: int) -> Cells:
    """Fewer cells of equal relative width, 2^mantissa_bits per octave and sign below each row's largest magnitude.

    Mass goes where a cell's middle lies; what is `octaves` below the largest magnitude becomes the point 0. Good enough
    to find where a minimum lies, not to compare two candidates beside it.
    """
    largest = np.maximum(np.abs(cells.low), np.abs(cells.high)).max(axis=1, initial=0.0)
    unit = np.where(largest > 0, largest, 1.0)
    middle = ((cells.low + cells.high) / (2 * unit[:, None])).astype(np.float32)
    levels = octaves << mantissa_bits
    leading = (np.abs(middle).view(np.int32) >> (23 - mantissa_bits)) - ((127 - octaves) << mantissa_bits)
    key = np.where(middle < 0, -1, 1) * np.clip(leading + 1, 0, levels) + levels
    count = 2 * levels + 1
    flat = (key + np.arange(len(key))[:, None] * count).ravel()
    mass = np.bincount(flat, np.broadcast_to(cells.mass, key.shape).ravel(), len(key) * count)
    edges = _octave_edges(levels, mantissa_bits)
    low = np.concatenate([-edges[1:][::-1], [0.0], edges[:-1]])
    high = np.concatenate([-edges[:-1][::-1], [0.0], edges[1:]])
    return Cells(unit[:, None] * low, unit[:, None] * high, mass.reshape(-1, count))


def _octave_edges(levels: int, mantissa_bits: int) -> np.ndarray:
    """levels + 1 edges that end at 1, as the leading mantissa bits of a binary number divide the octaves."""
    octave, step = np.divmod(np.arange(levels + 1), 1 << mantissa_bits)
    edges: np.ndarray = np.ldexp(1.0 + step / (1 << mantissa_bits), octave - (levels >> mantissa_bits))
    return edges


def _blocks(shape: tuple[int, int], cells: int) -> Iterator[tuple[slice, slice, slice]]:
    """Slices over (rows, candidates, cells) of at most about BLOCK values together."""
    rows, candidates = shape
    part = max(1, min(cells, BLOCK))
    some = max(1, min(candidates, BLOCK // part))
    many = max(1, BLOCK // (part * some))
    for row in range(0, rows, many):
        for candidate in range(0, candidates, some):
            for cell in range(0, cells, part):
                yield slice(row, row + many), slice(candidate, candidate + some), slice(cell, cell + part)


def _distance(
    x: np.ndarray, scale: np.ndarray, lowest: np.ndarray, highest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Level n and distance d = x/S − n, in steps."""
    t = x / scale
    n = np.rint(t)
    np.maximum(n, lowest, out=n)
    np.minimum(n, highest, out=n)
    return n, np.subtract(t, n, out=t)


def _point_errors(x: np.ndarray, scale: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Squared error of each point, in steps²."""
    _, d = _distance(x, scale, lowest, highest)
    np.multiply(d, d, out=d)
    return d


def _cell_errors(
    low: np.ndarray, high: np.ndarray, scale: np.ndarray, lowest: np.ndarray, highest: np.ndarray
) -> np.ndarray:
    """Mean squared error over each cell, in steps²."""
    n, d = _distance(low, scale, lowest, highest)
    n_high, d_high = _distance(high, scale, lowest, highest)
    width = high - low
    jumps = np.subtract(n_high, n, out=n_high)
    jumps *= scale * np.divide(1.0, width, out=np.zeros_like(width), where=width > 0)
    q: np.ndarray = np.multiply(d, d_high, out=n)
    q += np.multiply(d, d, out=d)
    q += np.multiply(d_high, d_high, out=d_high)
    q /= 3
    jumps *= np.subtract(1 / 12, q, out=d)
    q += jumps
    return q
