"""Runs works to their end in this process."""

from typing import Any

from qdash.results.sweep import sweep_result
from qdash.results.tally import Tallies
from qdash.spec import SweepSpec, checked
from qdash.testing.running import run_work

__all__ = ["run_work", "sweep"]


def sweep(folder: Any, **values: Any) -> dict[str, Any]:
    """The JSON of a sweep, with `scores` as they came."""
    spec = checked(SweepSpec, **values)
    facts, scores, cost = run_work("sweep", spec, folder)
    return sweep_result("test", spec, facts, Tallies(scores), cost) | {"scores": scores, "facts": facts}
