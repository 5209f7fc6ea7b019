"""Looking repeatedly at growing samples without spoiling the error rate (group sequential tests, Pocock 1977).

The looks are planned before the data are seen. At every look the same critical value is used, chosen so that under no
effect the largest |Z| over all looks exceeds it with probability α. Intervals at that value hold at all looks together.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from statistics import NormalDist

import numpy as np

from qdash.stats.tango import tango_interval

ALPHA = 0.05
_GROWTH = 1.3  # each look sees so many times the samples of the one before
_NEARLY_ALL = 1.1  # a look so close before the last one is not worth its price
# The first look comes where a layer without any changed prediction is decided: n·p ≥ z²·(1 − p) at about this z.
_TYPICAL_VALUE = 2.45
_PATHS = 200_000


@dataclass(frozen=True)
class Looks:
    """Planned looks at a paired difference against a tolerance.

    total: samples in all; round_size: samples per round; tolerance: a fraction, positive. A difference is decided once
    its interval lies on one side of −tolerance.
    """

    total: int
    round_size: int
    tolerance: float
    alpha: float = ALPHA

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Numbers of samples at which one looks: multiples of the round, growing; the last is all samples."""
        share = min(max(self.tolerance, 1e-4), 0.5)
        wanted, found = _TYPICAL_VALUE**2 * (1 - share) / share, []
        while wanted * _NEARLY_ALL < self.total:
            count = ceil(wanted / self.round_size) * self.round_size
            if count * _NEARLY_ALL < self.total:
                found.append(count)
            wanted = count * _GROWTH
        return (*found, self.total)

    @cached_property
    def critical_value(self) -> float:
        """|Z| that is exceeded at any look with probability α under no effect; by simulation with a fixed seed."""
        times = np.array(self.counts) / self.total
        if len(times) == 1:
            return NormalDist().inv_cdf(1 - self.alpha / 2)
        steps = np.diff(times, prepend=0.0)
        paths = np.random.default_rng(0).standard_normal((_PATHS, len(times))) * np.sqrt(steps)
        largest = np.abs(paths.cumsum(axis=1) / np.sqrt(times)).max(axis=1)
        return float(np.quantile(largest, 1 - self.alpha))

    @property
    def confidence(self) -> float:
        """Of one interval, so that all of them together hold with probability 1 − α."""
        return 2 * NormalDist().cdf(self.critical_value) - 1

    def interval(self, gained: int, lost: int, n: int) -> tuple[float, float]:
        """Of the difference, as a fraction; valid at whatever look one stops."""
        low, high = tango_interval(gained, lost, n, self.confidence)
        return float(low), float(high)

    def decision(self, gained: int, lost: int, n: int) -> str | None:
        """`safe`: the loss is below the tolerance; `sensitive`: it is above; None: not decided."""
        low, high = self.interval(gained, lost, n)
        if low > -self.tolerance:
            return "safe"
        return "sensitive" if high < -self.tolerance else None

    def samples_needed(self, gained: int, lost: int, n: int) -> int | None:
        """Samples that would decide, the rates staying as they are; None where the estimate is at the tolerance."""
        low, high = self.interval(gained, lost, n)
        estimate = (gained - lost) / n
        distance = estimate + self.tolerance
        if distance == 0:
            return None
        width = estimate - low if distance > 0 else high - estimate
        return ceil(n * (width / distance) ** 2)
