"""The measured curve: layers kept in FP32 against metric and size, and what it lets one recommend."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdash.results.outcome import outcomes
from qdash.results.size import size_mb
from qdash.results.tally import Tallies
from qdash.spec import Setting, keep_key

SHOWN, NOT_YET_SHOWN, NOT_MET = "shown", "not yet shown", "not met"


@dataclass(frozen=True)
class Limits:
    """What a set has to meet: points lost at most, layers in FP32 at most, MB at most."""

    max_drop_points: float = 1.0
    max_fp32: int | None = None
    max_size_mb: float | None = None

    def allow(self, point: Mapping[str, Any]) -> bool:
        """Whether the set itself is allowed, its accuracy aside."""
        few = self.max_fp32 is None or point["k"] <= self.max_fp32
        return few and (self.max_size_mb is None or point["size_mb"] <= self.max_size_mb)


def frontier_point(
    keep: Sequence[str], facts: Mapping[str, Any], setting: Setting, tallies: Tallies, seed: int
) -> dict[str, Any] | None:
    """One measured set; None where it was not measured."""
    tally = tallies.get("measurement", keep_key(keep), setting.key)
    if not tally.batches:
        return None
    (found,) = outcomes(tallies, [tally], facts["metric"], seed)
    return {
        "k": len(keep),
        "layers": list(keep),
        "value": found["value"],
        "delta": found["metric_delta"],
        "low": found["metric_delta_low"],
        "high": found["metric_delta_high"],
        "size_mb": size_mb(facts, setting, keep),
        "samples": int(tally.sums.get("samples", 0)),
        "sqnr_db": found["model_output_sqnr_db"],
        "kl": found["model_output_kl"],
        "status": found["status"],
    }


def choose(points: Sequence[Mapping[str, Any]], limits: Limits, higher_is_better: bool = True) -> dict[str, Any]:
    """The smallest set within the tolerance, and whether its interval shows it.

    `verdict`: `shown`, `not yet shown` (with `samples_needed`), or `not met`, then with the best set that is allowed.
    """
    allowed = [p for p in points if limits.allow(p) and p["delta"] is not None and p["status"] == "ok"]
    sign = 1.0 if higher_is_better else -1.0
    good = [p for p in allowed if sign * p["delta"] >= -limits.max_drop_points]
    if not good:
        best = max(allowed, key=lambda p: (sign * p["delta"], -p["k"]), default=None)
        return {"point": best, "verdict": NOT_MET, "samples_needed": None}
    point = min(good, key=lambda p: (p["k"], p["size_mb"]))
    worst = point["low"] if higher_is_better else point["high"]
    if worst is not None and not math.isnan(worst) and sign * worst >= -limits.max_drop_points:
        return {"point": point, "verdict": SHOWN, "samples_needed": None}
    return {"point": point, "verdict": NOT_YET_SHOWN, "samples_needed": _samples_needed(point, worst, limits, sign)}


def _samples_needed(point: Mapping[str, Any], worst: float | None, limits: Limits, sign: float) -> int | None:
    """Interval widths shrink with √n: n·(half width / distance to the tolerance)², the estimate staying where it is."""
    distance = sign * point["delta"] + limits.max_drop_points
    if worst is None or math.isnan(worst) or distance <= 0:
        return None
    needed: int = math.ceil(point["samples"] * (abs(point["delta"] - worst) / distance) ** 2)
    return needed
