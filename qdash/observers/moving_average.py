"""Averages over the ranges of batches, as torch.ao's MovingAverageMinMaxObserver."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from qdash.formats.base import ScaledFormat
from qdash.observers.base import REGISTRY, Observer, Range, affine_range, symmetric_range
from qdash.quant.statistics import Statistics


@REGISTRY.register("moving_average")
class MovingAverage(Observer):
    """An exponential moving average over each batch's minimum and maximum, in order, from the first batch on.

    One extreme batch counts little; the result depends on the calibration batch size. Weights are seen once, so for
    them it is the same as min_max.
    """

    depends_on_batches: ClassVar[bool] = True

    averaging_constant: float = Field(0.01, gt=0, le=1, description="weight of each new batch; torch.ao's default")

    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """average ← average + constant · (batch − average), for both ends."""
        weights = self._weights(len(statistics.batch_minimum))
        low, high = weights @ statistics.batch_minimum, weights @ statistics.batch_maximum
        if scheme == "symmetric":
            return symmetric_range(np.maximum(np.abs(low), np.abs(high)), statistics, format)
        return affine_range(low, high, statistics)

    def _weights(self, batches: int) -> np.ndarray:
        """What each batch counts in the end, (batches,): the recursion written out."""
        weights = (1 - self.averaging_constant) ** np.arange(batches - 1, -1, -1.0)
        weights[1:] *= self.averaging_constant
        return weights
