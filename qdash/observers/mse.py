"""The range with the smallest squared quantization error."""

from collections.abc import Callable
from itertools import product
from typing import ClassVar

import numpy as np

from qdash.formats.base import ScaledFormat
from qdash.observers.base import REGISTRY, Observer, Range, affine_range, largest_magnitude, mirrored
from qdash.quant.cells import Cells, magnitudes
from qdash.quant.coarse import coarsened
from qdash.quant.statistics import Statistics

OCTAVES = 10  # a threshold further below the largest value than 2⁻¹⁰ never pays: that value's clipping error outweighs
# Rounds by number of ends: points per end, how many of them make a step of the coarse grid, whether on all values.
REFINEMENT = {1: ((7, 2, True), (5, 6, True)), 2: ((3, 2, False), (3, 4, True), (3, 8, True))}
COARSE_ABOVE = 1024
MANTISSA_BITS = 3
EFFORT = 100_000  # cells × candidates of the coarse grid: small tensors are searched densely, large ones quickly

Errors = Callable[[Cells, np.ndarray], np.ndarray]


@REGISTRY.register("mse")
class LeastSquaredError(Observer):
    """The range that minimises the squared quantization error, rounding and clipping together.

    The error of every candidate is computed from the distribution: exactly on values, in closed form on a histogram.
    Affine ranges are searched over both ends. A good default. torch.ao's HistogramObserver minimises the same error,
    but estimated with even mass in 2,048 equal bins and only over ranges that shrink bin by bin.
    """

    needs_distribution: ClassVar[bool] = True

    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """A coarse grid over both ends, then ever finer steps; never worse than the whole range."""
        ends = _ends(statistics, scheme)

        def ranges(shrink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            kept = ends[:, None] * np.exp2(-OCTAVES * shrink**2)
            if scheme == "affine":
                return np.minimum(kept[..., 0], 0.0), np.maximum(kept[..., -1], 0.0)
            return np.where(mirrored(statistics, format)[:, None], -kept[..., 0], 0.0), kept[..., 0]

        def errors(cells: Cells, shrink: np.ndarray) -> np.ndarray:
            return format.squared_error(cells, *ranges(shrink), scheme)

        cells = magnitudes(statistics.cells) if scheme == "symmetric" else statistics.cells
        low, high = ranges(_search(errors, cells, ends)[:, None])
        return low[:, 0], high[:, 0]


def _ends(statistics: Statistics, scheme: str) -> np.ndarray:
    """What is shrunk, (rows, 1 or 2): the magnitude, the one end that isn't 0, or (minimum, maximum)."""
    if scheme == "symmetric":
        return largest_magnitude(statistics)[:, None]
    low, high = affine_range(statistics.minimum, statistics.maximum, statistics)
    return (low + high)[:, None] if statistics.one_sided else np.stack([low, high], axis=1)


def _search(errors: Errors, cells: Cells, ends: np.ndarray) -> np.ndarray:
    """The shrink of each end, (rows, ends) in 0 … 1, with the smallest error; 0 keeps the whole range."""
    rows, axes = ends.shape
    small = coarsened(cells, MANTISSA_BITS, OCTAVES) if cells.mass.shape[1] > COARSE_ABOVE else cells
    per_axis = _grid_points(small.mass.size, axes)
    grid = _grid(np.linspace(0, 1, per_axis), axes)
    best = _smallest(errors, small, np.broadcast_to(grid, (rows, *grid.shape)))
    for points, finer, exact in REFINEMENT[axes]:
        steps = _grid(np.arange(points) - points // 2, axes) / finer / (per_axis - 1)
        near = np.clip(best[:, None] + steps, 0, 1)
        best = _smallest(errors, cells if exact else small, np.concatenate([near, np.zeros((rows, 1, axes))], axis=1))
    return best


def _grid(points: np.ndarray, axes: int) -> np.ndarray:
    """(points ** axes, axes): all combinations."""
    return np.array(list(product(points, repeat=axes)))


def _smallest(errors: Errors, cells: Cells, candidates: np.ndarray) -> np.ndarray:
    """Of candidates (rows, candidates, ends), each row's best, (rows, ends)."""
    best = np.argmin(errors(cells, candidates), axis=1)
    chosen: np.ndarray = np.take_along_axis(candidates, best[:, None, None], axis=1)[:, 0]
    return chosen


def _grid_points(values: int, axes: int) -> int:
    """Per axis: as many as the effort allows, within bounds that keep the grid useful and quick."""
    affordable = (EFFORT / max(values, 1)) ** (1 / axes)
    return int(np.clip(affordable, *((24, 512) if axes == 1 else (8, 40))))
