"""Which range every observer would keep of a tensor, and what that range costs, computed from its histogram."""

import math
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from qdash.calibration.ranges import clipping_range
from qdash.calibration.summaries import TensorSummary
from qdash.errors import QdashError
from qdash.formats.base import ScaledFormat
from qdash.quant.cells import Cells
from qdash.quant.statistics import Statistics
from qdash.registry import family

FARTHEST = np.array([-3e38, 3e38], np.float32)  # beyond every range


@dataclass(frozen=True)
class Clipping:
    """What one observer's range does to a tensor with one scale; see `clipping_frame`."""

    observer: str
    own: bool
    low: float
    high: float
    step: float
    zero_point: int
    clipped_share: float
    saturated_share: float
    sqnr_db: float
    from_histogram: bool


COLUMNS = [f.name for f in fields(Clipping)]


def clipping_frame(tensor: TensorSummary, format: str, scheme: str, own: str) -> pd.DataFrame:
    """One row per observer, with COLUMNS; the tensor has one scale. Empty where the format takes no range.

    low, high: clipping range. step: the scale, the distance between two levels. clipped_share: of the values that lie
    outside by more than half a step, which is more than rounding moves them. saturated_share: of the values on the
    lowest or highest level, unless that is 0. sqnr_db: 10·log10(Σx²/Σ(x − x̃)²),
    expected from the histogram. own: the run's observer. from_histogram: whether the range itself is, too.
    """
    return pd.DataFrame(clipping_rows(tensor.statistics(), format, scheme, own), columns=COLUMNS)


def clipping_rows(statistics: Statistics, format: str, scheme: str, own: str = "") -> list[Clipping]:
    """The rows of `clipping_frame`, one per observer, and per `own` where it is none of the plain ones."""
    grid = family("formats").create(format)
    if not grid.needs_range:
        return []
    names = family("observers").names()
    entries = []
    for name in names if own in ("", *names) else [*names, own]:
        try:
            low, high = clipping_range(statistics, name, format, scheme)
            scale, zero_point = grid.parameters(low, high, scheme)
        except QdashError:  # a grid without negative numbers on data below zero
            continue
        from_histogram = family("observers").create(name).needs_distribution
        first, last, step = float(low[0]), float(high[0]), float(scale[0])
        entries.append(
            Clipping(
                observer=name,
                own=name == own,
                low=first,
                high=last,
                step=step,
                zero_point=int(zero_point[0]),
                clipped_share=outside(statistics.cells, float(low[0] - scale[0] / 2), float(high[0] + scale[0] / 2)),
                saturated_share=_saturated_share(grid, statistics.cells, scale, zero_point, scheme),
                sqnr_db=_sqnr_db(grid, statistics, low, high, scheme),
                from_histogram=from_histogram,
            )
        )
    return entries


def outside(cells: Cells, low: float, high: float) -> float:
    """The share of the mass outside [low, high]; within a cell it is spread evenly. 0 without any mass."""
    total = float(cells.mass.sum())
    if total == 0:
        return 0.0
    width = cells.high - cells.low
    inside = np.minimum(cells.high, high) - np.maximum(cells.low, low)
    point = (cells.low >= low) & (cells.low <= high)
    share = np.where(width > 0, np.clip(inside, 0, None) / np.where(width > 0, width, 1), point)
    return max(0.0, 1.0 - float((share * cells.mass).sum()) / total)


def _saturated_share(grid: ScaledFormat, cells: Cells, scale: np.ndarray, zero_point: np.ndarray, scheme: str) -> float:
    """A cell, at most 1/128 of its value wide, counts as its middle does."""
    ends = grid.fake_quantize(FARTHEST, scale, zero_point, scheme)
    levels = grid.fake_quantize(((cells.low + cells.high) / 2).astype(np.float32), scale, zero_point, scheme)
    total = float(cells.mass.sum())
    return float(cells.mass[np.isin(levels, ends[ends != 0])].sum()) / total if total else 0.0


def _sqnr_db(grid: ScaledFormat, statistics: Statistics, low: np.ndarray, high: np.ndarray, scheme: str) -> float:
    cells = statistics.cells
    squares = (cells.low**2 + cells.low * cells.high + cells.high**2) / 3  # the mean of x² over an even cell
    signal = float((squares * cells.mass).sum())
    noise = float(grid.squared_error(cells, low[:, None], high[:, None], scheme)[0, 0])
    if signal == 0 or noise <= 0:
        return math.inf
    return 10 * math.log10(signal / noise)
