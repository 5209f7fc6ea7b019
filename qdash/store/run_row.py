"""The row of one run, written on a connection that writes more in the same transaction."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from qdash.errors import InputError
from qdash.store.schema import RUN


def touch(connection: sa.Connection, run_id: str, **values: object) -> int:
    """Writes columns and returns the new revision. Raises InputError where the run is gone.

    The first statement of every transaction on a run: it takes the row's lock, so revisions commit in order.
    """
    statement = sa.update(RUN).where(RUN.c.id == run_id).values(revision=RUN.c.revision + 1, **values)
    revision = connection.scalar(statement.returning(RUN.c.revision))
    if revision is None:
        raise InputError(gone(run_id))
    return int(revision)


def add_facts(connection: sa.Connection, run_id: str, new: Mapping[str, object]) -> None:
    """Lays what was found out over what is known."""
    if not new:
        return
    known = _known(connection.scalar(sa.select(RUN.c.facts).where(RUN.c.id == run_id)))
    connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(facts=json.dumps({**known, **new})))


def add_cost(connection: sa.Connection, run_id: str, spent: Iterable[Mapping[str, float]]) -> None:
    """Adds what steps spent to the run's cost; of `peak_…` values the largest counts."""
    cost = _known(connection.scalar(sa.select(RUN.c.cost).where(RUN.c.id == run_id)))
    for name, value in (pair for step in spent for pair in step.items()):
        cost[name] = max(cost.get(name, 0.0), value) if name.startswith("peak_") else cost.get(name, 0.0) + value
    connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(cost=json.dumps(cost)))


def _known(text: str | None) -> dict[str, Any]:
    """What a column holds; a damaged one is written anew."""
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def gone(run_id: str) -> str:
    """What is said of a run that its caller knew."""
    return f"the run {run_id!r} is not in the store; it was deleted"
