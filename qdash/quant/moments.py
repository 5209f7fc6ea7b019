"""Moments of a distribution of cells, exact for mass that lies evenly within each."""

import numpy as np

from qdash.quant.cells import Cells


def kurtosis(cells: Cells) -> np.ndarray:
    """E(x − μ)⁴ / (E(x − μ)²)², (rows,) float64: 3 for a normal distribution, 1.8 for an even one, at least 1.

    Plain (Pearson's), not in excess of 3. The mean μ and both moments are those of a population. NaN for a row without
    mass or with a single value. Within a cell of half-width h around d off the mean, E(x − μ)² = d² + h²/3 and
    E(x − μ)⁴ = d⁴ + 2d²h² + h⁴/5.
    """
    low, high, mass = (np.asarray(part, np.float64) for part in cells)
    total = mass.sum(axis=1, keepdims=True)
    if not mass.shape[1]:
        return np.full(len(mass), np.nan)
    part = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0)
    # In units of the largest value, so that the fourth power of no float32 is lost.
    largest = np.maximum(np.abs(low), np.abs(high)).max(axis=1, keepdims=True)
    unit = np.where(largest > 0, largest, 1.0)
    middle, half = (low + high) / 2 / unit, (high - low) / 2 / unit
    off = middle - (part * middle).sum(axis=1, keepdims=True)
    second = (part * (off**2 + half**2 / 3)).sum(axis=1)
    fourth = (part * (off**4 + 2 * off**2 * half**2 + half**4 / 5)).sum(axis=1)
    # A mean that rounds would leave a little variance to a single value.
    alone = np.where(mass > 0, low, np.inf).min(axis=1) == np.where(mass > 0, high, -np.inf).max(axis=1)
    found: np.ndarray = np.divide(fourth, second**2, out=np.full(len(mass), np.nan), where=(second > 0) & ~alone)
    return found
