"""Runs works to their end in this process."""

from typing import Any

from qdash.executors.base import build_work
from qdash.records.facts import read_facts
from qdash.records.scores import Facts, Progress, Score
from qdash.results.plain import as_tree
from qdash.results.qat import qat_result
from qdash.results.sweep import sweep_result
from qdash.results.tally import Tallies
from qdash.spec import SweepSpec, checked


def run_work(kind: str, spec: Any, folder: Any) -> tuple[dict[str, Any], list[Score], dict[str, float]]:
    """(facts, scores, cost) of a work that is advanced until it is done."""
    work = build_work(kind, spec.model_dump_json(), str(folder))
    facts: dict[str, Any] = {}
    scores: list[Score] = []
    cost = {"macs": 0.0, "cpu_s": 0.0}
    position: str | None = "start"
    try:
        while position is not None:
            for record in work.advance(position, lambda: False):
                if isinstance(record, Facts):
                    facts |= record.values
                elif isinstance(record, Score):
                    scores.append(record)
                elif isinstance(record, Progress):
                    position = record.position
                    cost = {name: cost[name] + record.spent[name] for name in cost}
    finally:
        work.close()
    return facts, scores, cost


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
