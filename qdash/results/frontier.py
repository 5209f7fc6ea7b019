"""The measured curve: layers kept in FP32 against metric and size, and what it lets one recommend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qdash.records.facts import RunFacts
from qdash.results.models import MeasuredModel
from qdash.results.outcome import outcomes
from qdash.results.rows import KeyedSetting, Status
from qdash.results.size import size_mb
from qdash.results.tally import Tallies
from qdash.spec.layers import keep_key
from qdash.spec.setting import Setting

SHOWN, NOT_YET_SHOWN, NOT_MET = "shown", "not yet shown", "not met"


@dataclass(frozen=True)
class Point:
    """One measured set of k layers in FP32: the metric in its unit, its change against FP32 with a 95 % interval."""

    k: int
    layers: tuple[str, ...]
    value: float | None
    delta: float | None
    low: float | None
    high: float | None
    size_mb: float
    samples: int
    sqnr_db: float | None
    kl: float | None
    status: Status


@dataclass(frozen=True)
class Limits:
    """What a set has to meet: points lost at most, layers in FP32 at most, MB at most."""

    max_drop_points: float = 1.0
    max_fp32: int | None = None
    max_size_mb: float | None = None

    def allow(self, point: Point) -> bool:
        """Whether the set itself is allowed, its accuracy aside."""
        few = self.max_fp32 is None or point.k <= self.max_fp32
        return few and (self.max_size_mb is None or point.size_mb <= self.max_size_mb)


@dataclass(frozen=True)
class Choice:
    """point: None where nothing allowed is measured. verdict: `shown`, `not yet shown`, then with `samples_needed`, or
    `not met`, then with the best set that is allowed."""

    point: Point | None
    verdict: str
    samples_needed: int | None = None


@dataclass(frozen=True)
class Recommendation:
    """The JSON of `recommend`, field by field; frontier: every measured set, smallest first."""

    run_id: str
    setting: KeyedSetting
    keep_fp32: tuple[str, ...]
    max_drop_points: float
    verdict: str
    samples_needed: int | None
    chosen: Point | None
    frontier: Sequence[Point]


def frontier_point(keep: Sequence[str], facts: RunFacts, setting: Setting, tallies: Tallies, seed: int) -> Point | None:
    """One measured set; None where it was not measured."""
    tally = tallies.get("measurement", keep_key(keep), setting.key)
    if not tally.batches:
        return None
    (found,) = outcomes(tallies, [tally], facts.metric, seed)
    measured = MeasuredModel.of(found, tally)
    return Point(k=len(keep), layers=tuple(keep), size_mb=size_mb(facts, setting, keep), **vars(measured))


def choose(points: Sequence[Point], limits: Limits, higher_is_better: bool = True) -> Choice:
    """The smallest set within the tolerance, and whether its interval shows it."""
    sign = 1.0 if higher_is_better else -1.0
    gains = [(sign * p.delta, p) for p in points if limits.allow(p) and p.delta is not None and p.status == "ok"]
    good = [(gain, point) for gain, point in gains if gain >= -limits.max_drop_points]
    if not good:
        best = max(gains, key=lambda found: (found[0], -found[1].k), default=None)
        return Choice(best[1] if best else None, NOT_MET)
    gain, point = min(good, key=lambda found: (found[1].k, found[1].size_mb))
    end = point.low if higher_is_better else point.high
    worst = math.nan if end is None else sign * end
    if worst >= -limits.max_drop_points:
        return Choice(point, SHOWN)
    return Choice(point, NOT_YET_SHOWN, _samples_needed(point.samples, gain, worst, limits))


def _samples_needed(samples: int, gain: float, worst: float, limits: Limits) -> int | None:
    """Interval widths shrink with √n: n·(half width / distance to the tolerance)², the estimate staying where it is."""
    distance = gain + limits.max_drop_points
    if math.isnan(worst) or distance <= 0:
        return None
    return math.ceil(samples * (abs(gain - worst) / distance) ** 2)
