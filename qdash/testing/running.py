"""Runs a work to its end in this process."""

from typing import Any

from qdash.executors.base import build_work
from qdash.records.scores import Facts, Progress, Score


def run_work(kind: str, spec: Any, folder: Any) -> tuple[dict[str, Any], list[Score], dict[str, float]]:
    """(facts, scores, cost) of a work that is advanced until it is done. spec: a pydantic model; folder: artifacts."""
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
