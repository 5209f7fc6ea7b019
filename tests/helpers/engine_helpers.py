"""Runs works to their end in this process."""

from typing import Any

from qdash.records.facts import read_facts
from qdash.results.plain import as_tree
from qdash.results.qat import qat_result
from qdash.results.sweep import sweep_result
from qdash.results.tally import Tallies
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.testing.running import run_work

__all__ = ["run_work", "sweep"]


def qat_json(run_id: str, parent: str | None, spec: Any, facts: Any, scores: Any, cost: Any) -> dict[str, Any]:
    """The JSON of a fine-tune from what its work yielded."""
    result: dict[str, Any] = as_tree(qat_result(run_id, parent, spec, read_facts(facts), scores, cost))
    return result


def sweep(folder: Any, **values: Any) -> dict[str, Any]:
    """The JSON of a sweep, with `scores` as they came."""
    spec = checked(SweepSpec, **values)
    facts, scores, cost = run_work("sweep", spec, folder)
    result = as_tree(sweep_result("test", spec, read_facts(facts), Tallies(scores), cost))
    return result | {"scores": scores, "facts": facts}
