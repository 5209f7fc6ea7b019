"""Observers answer one question: from the statistics of a tensor, which range is kept and what is clipped?"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from qdash.formats.base import ScaledFormat
from qdash.quant.statistics import Statistics
from qdash.registry import Member, Registry

Range = tuple[np.ndarray, np.ndarray]  # (low, high)
REGISTRY: "Registry[Observer]" = Registry("observers")


class Observer(Member):
    """From statistics to a clipping range: pure NumPy, no model run, no torch.

    Laws, tested over all members: the range contains zero; it lies within [minimum, maximum] widened to zero (the
    symmetric range: its magnitude is at most the largest magnitude); the symmetric range is symmetric; a constant or
    empty tensor gives a finite range; how values were batched doesn't matter unless it `depends_on_batches`.
    """

    needs_distribution: ClassVar[bool] = False
    depends_on_batches: ClassVar[bool] = False

    @abstractmethod
    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """(low, high), float64 arrays of shape (rows,); `low <= 0 <= high`.

        For `symmetric`, low = −high; low = 0 where the format has no negative numbers and the data have none either.
        """


def largest_magnitude(statistics: Statistics) -> np.ndarray:
    """max(|minimum|, |maximum|), (rows,)."""
    magnitude: np.ndarray = np.maximum(np.abs(statistics.minimum), np.abs(statistics.maximum))
    return magnitude


def affine_range(low: np.ndarray, high: np.ndarray, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """`low` and `high`, (rows,) each, widened to zero and held within what was seen; the same shapes."""
    floor, ceiling = np.minimum(statistics.minimum, 0.0), np.maximum(statistics.maximum, 0.0)
    return np.clip(low, floor, 0.0), np.clip(high, 0.0, ceiling)


def symmetric_range(
    magnitude: np.ndarray, statistics: Statistics, format: ScaledFormat
) -> tuple[np.ndarray, np.ndarray]:
    """−magnitude … magnitude, (rows,) each, held within the largest seen; see `Observer.clipping_range` for low = 0."""
    magnitude = np.minimum(magnitude, largest_magnitude(statistics))
    return np.where(mirrored(statistics, format), -magnitude, 0.0), magnitude


def mirrored(statistics: Statistics, format: ScaledFormat) -> np.ndarray:
    """Which rows have a symmetric range with a negative half, (rows,) bool."""
    return format.has_negative_numbers | (statistics.minimum < 0)
