"""How well estimates agree with measurements of the same layers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qdash.results.rows import LayerRow
from qdash.results.text import MINUS, plural

FEWEST = 3  # layers: with two, a rank correlation is 1 or −1 whatever the estimate is worth
AGREES = 0.9
CLOSE_DB = 0.5


@dataclass(frozen=True)
class EstimateAgreement:
    """Over the layers that are both estimated and measured, by model-output SQNR.

    spearman: rank correlation, −1 … 1; None under FEWEST layers or where one side is all alike. median_difference_db:
    of the absolute differences; None without a layer.
    """

    layers: int
    spearman: float | None
    median_difference_db: float | None

    @property
    def sentence(self) -> str:
        """The finding, for a title."""
        if self.median_difference_db is None:
            return "Nothing is measured yet: the ranking is an estimate"
        difference = f"median difference {self.median_difference_db:.1f} dB"
        if self.spearman is None:
            why = f", a rank correlation needs {FEWEST}" if self.layers < FEWEST else ""
            return f"Estimated and measured: {plural(self.layers, 'layer')}, {difference}{why}"
        if round(self.spearman, 3) >= AGREES:  # as it is written
            said = "Estimate and measurement agree"
        elif self.median_difference_db <= CLOSE_DB:
            said = "Estimate and measurement are close, but order the layers differently"
        else:
            said = "Estimate and measurement differ"
        return f"{said}: Spearman {correlation(self.spearman)} over {plural(self.layers, 'layer')}, {difference}"

    @property
    def short(self) -> str:
        """For a sentence that names the estimate already; empty where nothing is measured."""
        if self.spearman is not None:
            return f"Spearman {correlation(self.spearman)} in SQNR with {plural(self.layers, 'measured layer')}"
        return f"{plural(self.layers, 'layer')} measured so far" if self.layers else ""


def correlation(value: float) -> str:
    """
    >>> correlation(0.99812), correlation(-0.5)
    ('0.998', '−0.500')
    """
    return f"{value:.3f}".replace("-", MINUS)


def agreement(estimated: Sequence[float], measured: Sequence[float]) -> EstimateAgreement:
    """Of finite values in dB, one of each per layer."""
    x, y = np.asarray(estimated, float), np.asarray(measured, float)
    difference = float(np.median(np.abs(x - y))) if len(x) else None
    return EstimateAgreement(len(x), spearman(x, y), difference)


def spearman(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float | None:
    """Spearman's rank correlation; None under FEWEST pairs, or where one side is all alike and so has no order."""
    if len(x) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return None
    from scipy.stats import spearmanr  # most of a second to import, so only where it is used

    return float(spearmanr(x, y).statistic)


def most_sampled(rows: Iterable[LayerRow]) -> dict[str, LayerRow]:
    """By layer, of rows that may name it several times, the one with most samples; only rows that are measured."""
    best: dict[str, LayerRow] = {}
    for row in rows:
        before = best[row.layer].samples if row.layer in best else 0
        if row.status != "pending" and row.samples > before:
            best[row.layer] = row
    return best


def finite(value: float | None) -> bool:
    """Whether there is a number that has a place on an axis."""
    return value is not None and math.isfinite(value)
