"""The expected squared error of a distribution under a grid of numbers."""

from collections.abc import Callable, Iterator

import numpy as np

from qdash.quant.cells import Cells

BLOCK_BYTES = 120_000  # of each temporary: they stay in the cache, and below malloc's threshold for fresh pages
_GAUSS = 0.5 / np.sqrt(3.0)  # nodes of two-point quadrature, in cell widths from the middle

# Of x, (rows, 1, cells), and slices over rows and candidates: x/S less its nearest number, (rows, candidates, cells).
Distance = Callable[[np.ndarray, slice, slice], np.ndarray]


def uniform_squared_error(cells: Cells, scale: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Expected Σ(x − x̃)² under the grid scale · {lowest, …, highest}, in closed form.

    `scale`, `lowest`, `highest`: (rows, candidates), limits in steps (q_min − Z, q_max − Z); the result likewise,
    float64. Points are rounded in their own dtype, as they are when they are quantized.
    With t = x/S, n = clip(round(t)) and d = t − n, n/12 + d³/3 is an antiderivative of (t − n)², clipped parts
    included. The mean over a cell follows without cancellation: q + Δn·(1/12 − q)/Δt with q = (d₁² + d₁d₂ + d₂²)/3,
    which is d² for a point.
    """
    grid = [np.asarray(part, cells.low.dtype)[..., None] for part in (scale, lowest, highest)]

    def distance(x: np.ndarray, rows: slice, candidates: slice) -> np.ndarray:
        return _distance(x, *(part[rows, candidates] for part in grid))[1]

    def cell_errors(low: np.ndarray, high: np.ndarray, rows: slice, candidates: slice) -> np.ndarray:
        return _cell_errors(low, high, *(part[rows, candidates] for part in grid))

    return _sums(cells, scale, distance, cell_errors)


def squared_error(cells: Cells, scale: np.ndarray, round_: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Expected Σ(x − x̃)² under the grid scale · round_(x/scale), (rows, candidates) float64 as `scale`.

    Exact for points. The mean over a cell is taken by two-point Gauss quadrature: exact unless a boundary between two
    numbers of the grid lies in the cell.
    """
    divisor = np.asarray(scale, cells.low.dtype)[..., None]

    def distance(x: np.ndarray, rows: slice, candidates: slice) -> np.ndarray:
        t = x / divisor[rows, candidates]
        rest: np.ndarray = t - round_(t)
        return rest

    def cell_errors(low: np.ndarray, high: np.ndarray, rows: slice, candidates: slice) -> np.ndarray:
        middle, node = (low + high) / 2, _GAUSS * (high - low)
        first, second = (np.square(distance(x, rows, candidates)) for x in (middle - node, middle + node))
        mean: np.ndarray = (first + second) / 2
        return mean

    return _sums(cells, scale, distance, cell_errors)


def _sums(
    cells: Cells,
    scale: np.ndarray,
    distance: Distance,
    cell_errors: Callable[[np.ndarray, np.ndarray, slice, slice], np.ndarray],
) -> np.ndarray:
    """Σ mass · error over the cells, times scale²."""
    total = np.zeros(scale.shape)
    with np.errstate(over="ignore"):  # a far outlier under a fine grid: its error is infinite
        for rows, candidates, part in _blocks(scale.shape, cells.mass.shape[1], BLOCK_BYTES // cells.low.itemsize):
            low = cells.low[rows, None, part]
            if cells.points and cells.alike:
                d = distance(low, rows, candidates)
                total[rows, candidates] += np.vecdot(d, d) * cells.mass[rows, :1]
                continue
            if cells.points:
                errors = np.square(distance(low, rows, candidates))
            else:
                errors = cell_errors(low, cells.high[rows, None, part], rows, candidates)
            total[rows, candidates] += (errors @ cells.mass[rows, part, None])[..., 0]
        return total * np.asarray(scale, dtype=np.float64) ** 2


def _blocks(shape: tuple[int, ...], cells: int, block: int) -> Iterator[tuple[slice, slice, slice]]:
    """Slices over (rows, candidates, cells) of at most about `block` values together."""
    rows, candidates = shape
    part = max(1, min(cells, block))
    some = max(1, min(candidates, block // part))
    many = max(1, block // (part * some))
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
    np.clip(n, lowest, highest, out=n)  # twice as fast as maximum and minimum
    return n, np.subtract(t, n, out=t)


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
