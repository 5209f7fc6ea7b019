"""Runs: what was asked, how far it is, what it cost."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from qdash.errors import InputError
from qdash.store.schema import RUN

Status = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
STATUSES: tuple[str, ...] = get_args(Status)
FINAL: tuple[str, ...] = ("done", "failed", "cancelled", "interrupted")
LATEST = "latest"


@dataclass(frozen=True)
class Run:
    """One row of the history. `position` is where it goes on, None before the first step and after the last.

    done, total: work in multiply-accumulates. attempt: how often it was queued as a durable job, 0 for a run
    computed by the process that made it. host: the machine that computes it. cost: by name, with the unit in it.
    revision: a number that changes with anything about the run.
    """

    id: str
    kind: str
    status: Status
    spec: str
    model: str
    data: str
    title: str
    parent: str | None
    identity: str
    follow_up: str | None
    facts: dict[str, Any] | None
    position: str | None
    done: float
    total: float
    message: str
    error: str | None
    cancel_requested: bool
    attempt: int
    host: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    cost: dict[str, float]
    revision: int

    @property
    def final(self) -> bool:
        """Whether nothing computes it any more and nothing will unless it is resumed."""
        return self.status in FINAL


def insert(connection: sa.Connection, values: Mapping[str, Any]) -> str:
    """A new queued run; returns its id, such as `20261124-093012-4f2a`, which sorts by time."""
    now = time.time()
    defaults = {
        "status": "queued",
        "done": 0.0,
        "total": 0.0,
        "message": "",
        "cancel_requested": False,
        "attempt": 0,
        "host": "",
        "created": now,
        "cost": "{}",
        "revision": 1,
    }
    run_id = _new_id(now)
    connection.execute(sa.insert(RUN).values(id=run_id, **defaults, **values))
    return run_id


def select(connection: sa.Connection, text: str) -> Run:
    """The run of an id, a unique prefix of one, or `latest`. Raises InputError otherwise."""
    row = connection.execute(sa.select(RUN).where(RUN.c.id == text)).first()
    if row is None:
        row = _latest(connection) if text == LATEST else _by_prefix(connection, text)
    return _run(row)


def standing(connection: sa.Connection, run_id: str) -> tuple[Status, str | None]:
    """(status, position) of the run with this very id. Raises InputError where there is none."""
    row = connection.execute(sa.select(RUN.c.status, RUN.c.position).where(RUN.c.id == run_id)).first()
    if row is None:
        raise InputError(_gone(run_id))
    return row.status, row.position


def listed(connection: sa.Connection, filters: Mapping[str, str | None], limit: int | None) -> list[Run]:
    """The runs whose columns equal the filters that are not None, newest first."""
    query = sa.select(RUN).order_by(RUN.c.created.desc(), RUN.c.id.desc()).limit(limit)
    for column, value in filters.items():
        if value is not None:
            query = query.where(RUN.c[column] == value)
    return [_run(row) for row in connection.execute(query)]


def touch(connection: sa.Connection, run_id: str, **values: Any) -> int:
    """Writes columns and returns the new revision. Raises InputError where the run is gone.

    The first statement of every transaction on a run: it takes the row's lock, so revisions commit in order.
    """
    statement = sa.update(RUN).where(RUN.c.id == run_id).values(revision=RUN.c.revision + 1, **values)
    revision = connection.scalar(statement.returning(RUN.c.revision))
    if revision is None:
        raise InputError(_gone(run_id))
    return int(revision)


def status_values(status: Status, error: str | None) -> dict[str, Any]:
    """The columns that go with a status: its times, and an error that only a failed run keeps."""
    if status not in STATUSES:
        raise InputError(f"unknown status {status!r}; choose from {', '.join(STATUSES)}")
    if status == "running":
        return {"status": status, "error": error, "finished": None, "started": _first_start()}
    return {"status": status, "error": error, "finished": time.time() if status in FINAL else None}


def merged(connection: sa.Connection, run_id: str, column: str, new: Mapping[str, Any]) -> str:
    """The JSON of a column's object with new keys laid over it."""
    old = connection.scalar(sa.select(RUN.c[column]).where(RUN.c.id == run_id))
    return json.dumps({**json.loads(old or "{}"), **new})


def add_cost(connection: sa.Connection, run_id: str, spent: Iterable[Mapping[str, float]]) -> None:
    """Adds what steps spent to the run's cost; of `peak_…` values the largest counts."""
    cost = json.loads(connection.scalar(sa.select(RUN.c.cost).where(RUN.c.id == run_id)) or "{}")
    for name, value in (pair for step in spent for pair in step.items()):
        cost[name] = max(cost.get(name, 0.0), value) if name.startswith("peak_") else cost.get(name, 0.0) + value
    connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(cost=json.dumps(cost)))


def _gone(run_id: str) -> str:
    return f"the run {run_id!r} is not in the store; it was deleted"


def _first_start() -> Any:
    return sa.func.coalesce(RUN.c.started, time.time())


def _new_id(now: float) -> str:
    # The fraction of the second in 1/65536: short, and ids still sort by time within a second.
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{int(now % 1 * 65536):04x}"


def _latest(connection: sa.Connection) -> sa.Row[Any]:
    row = connection.execute(sa.select(RUN).order_by(RUN.c.created.desc(), RUN.c.id.desc()).limit(1)).first()
    if row is None:
        raise InputError("there is no run in the store yet; start one with: python -m qdash sweep --model … --data …")
    return row


def _by_prefix(connection: sa.Connection, text: str) -> sa.Row[Any]:
    begins = sa.func.substr(RUN.c.id, 1, len(text)) == text
    rows = (
        connection.execute(sa.select(RUN).where(begins).order_by(RUN.c.created.desc()).limit(4)).all() if text else []
    )
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise InputError(f"several runs begin with {text!r} ({_ids(rows)}); write more of the id")
    newest = connection.execute(sa.select(RUN.c.id).order_by(RUN.c.created.desc()).limit(3)).all()
    known = f"the newest are {_ids(newest)}; list all with: python -m qdash runs" if newest else "the store is empty"
    raise InputError(f"unknown run {text!r}; {known}")


def _ids(rows: "list[sa.Row[Any]] | Any") -> str:
    return ", ".join(row.id for row in rows)


def _run(row: sa.Row[Any]) -> Run:
    values = dict(row._mapping)
    values["facts"] = None if row.facts is None else json.loads(row.facts)
    values["cost"] = json.loads(row.cost)
    for name in ("created", "started", "finished"):
        values[name] = None if values[name] is None else datetime.fromtimestamp(values[name], UTC)
    return Run(**values)
