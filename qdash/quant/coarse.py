"""A distribution with few cells, quick to build and to search: where a minimum lies, not how deep it is."""

import numpy as np

from qdash.quant.cells import Cells

BLOCK = 16_384  # values at once: temporaries stay in the cache


def coarsened(cells: Cells, mantissa_bits: int, octaves: int) -> Cells:
    """Cells of equal relative width, 2^mantissa_bits per octave and sign below each row's largest magnitude; float32.

    Mass goes where a cell's middle lies; what is `octaves` below the largest magnitude becomes the point 0. A sign that
    no value has gets no cells.
    """
    lowest, highest = cells.low.min(axis=1, initial=0.0), cells.high.max(axis=1, initial=0.0)
    unit = np.maximum(-lowest, highest)
    unit = np.where(unit > 0, unit, 1.0).astype(cells.low.dtype)
    edges = _octave_edges(octaves << mantissa_bits, mantissa_bits)
    below = edges if lowest.min(initial=0.0) < 0 else edges[:1]
    above = edges if highest.max(initial=0.0) > 0 else edges[:1]
    zero, count = len(below) - 1, len(below) + len(above) - 1
    mass = np.zeros((len(unit), count), np.float32)
    many = max(1, BLOCK // max(1, cells.low.shape[1]))
    for row in range(0, len(unit), many):
        some = slice(row, row + many)
        mass[some] = _counted(cells.take(some), unit[some, None], mantissa_bits, octaves, zero, count)
    low = unit[:, None] * np.concatenate([-below[1:][::-1], [0.0], above[:-1]])
    high = unit[:, None] * np.concatenate([-below[:-1][::-1], [0.0], above[1:]])
    return Cells(low.astype(np.float32), high.astype(np.float32), mass)


def _counted(cells: Cells, unit: np.ndarray, mantissa_bits: int, octaves: int, zero: int, count: int) -> np.ndarray:
    """Mass by exponent and leading mantissa bits of value/unit, (rows, count); column `zero` is the point 0."""
    middle = cells.low / unit if cells.points else cells.low / (2 * unit) + cells.high / (2 * unit)
    middle = middle.astype(np.float32, copy=False)
    key = np.abs(middle).view(np.int32) >> (23 - mantissa_bits)
    key -= ((127 - octaves) << mantissa_bits) - 1
    np.clip(key, 0, octaves << mantissa_bits, out=key)
    if zero:
        np.negative(key, out=key, where=middle < 0)
    key += np.arange(zero, zero + len(key) * count, count, dtype=np.int32)[:, None]
    if cells.alike:
        values = np.bincount(key.ravel(), minlength=len(key) * count).reshape(-1, count)
        return np.asarray(values * cells.mass[:, :1])
    return np.bincount(key.ravel(), cells.mass.ravel(), len(key) * count).reshape(-1, count)


def _octave_edges(levels: int, mantissa_bits: int) -> np.ndarray:
    """levels + 1 edges from 0 on that end at 1: the leading mantissa bits of a binary number divide the octaves."""
    octave, step = np.divmod(np.arange(levels + 1), 1 << mantissa_bits)
    edges: np.ndarray = np.ldexp(1.0 + step / (1 << mantissa_bits), octave - (levels >> mantissa_bits))
    return edges
