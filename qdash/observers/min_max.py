"""The whole range that was seen."""

from qdash.formats.base import ScaledFormat
from qdash.observers.base import REGISTRY, Observer, Range, affine_range, largest_magnitude, symmetric_range
from qdash.quant.statistics import Statistics


@REGISTRY.register("min_max")
class MinMax(Observer):
    """The running minimum and maximum: nothing is clipped, so a single outlier makes every step larger."""

    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """[minimum, maximum], widened to zero."""
        if scheme == "symmetric":
            return symmetric_range(largest_magnitude(statistics), statistics, format)
        return affine_range(statistics.minimum, statistics.maximum, statistics)
