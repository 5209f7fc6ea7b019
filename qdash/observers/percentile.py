"""Cuts a fixed share of the values off."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from qdash.formats.base import ScaledFormat
from qdash.observers.base import REGISTRY, Observer, Range, affine_range, symmetric_range
from qdash.quant.cells import magnitudes, quantile
from qdash.quant.statistics import Statistics


@REGISTRY.register("percentile")
class Percentile(Observer):
    """Keeps a share of the values and clips the rest, however far away it lies.

    Affine: equal tails are cut on both sides, at the quantiles (1 − p)/2 and 1 − (1 − p)/2. Symmetric: the quantile p
    of |x|. With p = 100 it is min_max. ONNX Runtime's calibrator takes the left edge of the histogram bin where the
    share is reached, one of 2,048 equal bins of the whole range, so it keeps up to a bin less.
    """

    needs_distribution: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("percentile", "percentile:percentile=99.9")
    percentile: float = Field(99.99, gt=0, le=100, description="share of the values that is kept, in %")

    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """Quantiles of the distribution; a row without values keeps its exact range."""
        if scheme == "symmetric":
            magnitude = quantile(magnitudes(statistics.cells), self.percentile / 100)
            return symmetric_range(np.where(np.isnan(magnitude), np.inf, magnitude), statistics, format)
        tail = (100 - self.percentile) / 200
        low, high = quantile(statistics.cells, tail), quantile(statistics.cells, 1 - tail)
        return affine_range(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high), statistics)
