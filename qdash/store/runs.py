"""Runs: what was asked, how far it is, what it cost."""

import builtins
import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from qdash.errors import InputError
from qdash.store.lookup import NEWEST_FIRST, find
from qdash.store.run_row import gone, touch
from qdash.store.schema import RUN
from qdash.store.status import FINAL, Status, status_values


@dataclass(frozen=True)
class NewRun:
    """What is asked. spec, follow_up: JSON text. parent: the run it belongs to, however its id is written."""

    kind: str
    spec: str
    model: str
    data: str
    title: str = ""
    parent: str | None = None
    follow_up: str | None = None


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


class Runs:
    """The runs of a store; each call is a transaction."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def create(self, new: NewRun) -> str:
        """A queued run; returns its id, such as `20261124-093012-4f2a`, which sorts by time."""
        if new.parent is not None:
            new = replace(new, parent=self.get(new.parent).id)
        while True:
            now = time.time()
            run_id = _id(now)
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(RUN).values(**_NEW, **asdict(new), id=run_id, created=now))
                return run_id
            except IntegrityError:
                time.sleep(2**-15)  # another process took this id within the same 15 microseconds

    def get(self, run_id: str) -> Run:
        """By id, a unique prefix of one, or `latest`. Raises InputError where there is no such run."""
        with self._engine.connect() as connection:
            return _run(find(connection, run_id))

    def list(
        self,
        *,
        kind: str | None = None,
        parent: str | None = None,
        status: Status | None = None,
        model: str | None = None,
        limit: int | None = 100,
    ) -> builtins.list[Run]:
        """Newest first; an argument that is None doesn't filter."""
        filters = {"kind": kind, "parent": parent, "status": status, "model": model}
        asked = (RUN.c[column] == value for column, value in filters.items() if value is not None)
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(RUN).where(*asked).order_by(*NEWEST_FIRST).limit(limit))
            return [_run(row) for row in rows.mappings()]

    def standing(self, run_id: str) -> tuple[Status, str | None]:
        """Status and position of a run by its whole id, for every step to ask: its facts may be a megabyte.

        Raises InputError where there is no such run.
        """
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(RUN.c.status, RUN.c.position).where(RUN.c.id == run_id)).first()
        if row is None:
            raise InputError(gone(run_id))
        return row.status, row.position

    def revision(self, run_id: str) -> int:
        """A number that changes with anything about the run: the key of a page's cache. 0 where it is gone."""
        with self._engine.connect() as connection:
            return int(connection.scalar(sa.select(RUN.c.revision).where(RUN.c.id == run_id)) or 0)

    def delete(self, run_id: str) -> None:
        """The run with its scores and pins; artifacts may serve other runs. Raises InputError while it runs."""
        run = self.get(run_id)
        if run.status == "running":
            raise InputError(f"the run {run.id} is running; cancel it first: python -m qdash cancel {run.id}")
        with self._engine.begin() as connection:
            connection.execute(sa.delete(RUN).where(RUN.c.id == run.id))

    def set_status(self, run_id: str, status: Status, error: str | None = None, *, host: str | None = None) -> None:
        """Sets status, times and error, and the machine that computes the run."""
        values = status_values(status, error) | ({} if host is None else {"host": host})
        self._touch(run_id, **values)

    def queue(self, run_id: str) -> int:
        """Marks the run as a durable job and returns the attempt; one that already waits or runs keeps its attempt."""
        anew = sa.or_(RUN.c.attempt == 0, RUN.c.status.in_(FINAL))
        with self._engine.begin() as connection:
            touch(connection, run_id, cancel_requested=False)
            statement = sa.update(RUN).where(RUN.c.id == run_id, anew, RUN.c.status != "done")
            connection.execute(statement.values(attempt=RUN.c.attempt + 1, **status_values("queued")))
            return int(connection.scalar(sa.select(RUN.c.attempt).where(RUN.c.id == run_id)) or 0)

    def request_cancel(self, run_id: str) -> None:
        """Asks whoever computes the run to stop between two layers."""
        self._touch(run_id, cancel_requested=True)

    def clear_cancel(self, run_id: str) -> None:
        """Takes the request back."""
        self._touch(run_id, cancel_requested=False)

    def cancel_requested(self, run_id: str) -> bool:
        """Also true where the run is gone: there is nobody left to compute for."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(RUN.c.cancel_requested).where(RUN.c.id == run_id)) in (None, True)

    def settle_cancel(self, run_id: str) -> bool:
        """Turns a request into the status `cancelled`, unless the run is final or the request was taken back."""
        asked = sa.and_(RUN.c.id == run_id, RUN.c.cancel_requested, RUN.c.status.in_(("queued", "running")))
        statement = sa.update(RUN).where(asked).values(revision=RUN.c.revision + 1, **status_values("cancelled"))
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def _touch(self, run_id: str, **values: object) -> None:
        with self._engine.begin() as connection:
            touch(connection, run_id, **values)


# `identity` is a column of the first schema that nothing reads.
_NEW = {
    "status": "queued",
    "identity": "",
    "done": 0.0,
    "total": 0.0,
    "message": "",
    "cancel_requested": False,
    "attempt": 0,
    "host": "",
    "cost": "{}",
    "revision": 1,
}


def _id(now: float) -> str:
    # The fraction of the second in 1/65536: short, and ids still sort by time within a second.
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{int(now % 1 * 65536):04x}"


_DAMAGED: dict[str, Any] = {}


def _read(text: str) -> dict[str, Any]:
    """An object of JSON, _DAMAGED where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, TypeError):
        return _DAMAGED
    return value if isinstance(value, dict) else _DAMAGED


def _run(row: sa.RowMapping) -> Run:
    values = {name: row[name] for name in Run.__dataclass_fields__}
    read = {name: None if row[name] is None else _read(row[name]) for name in ("facts", "cost", "spec")}
    values |= {"facts": read["facts"], "cost": read["cost"]}
    if damaged := [name for name, value in read.items() if value is _DAMAGED]:
        said = f"what the store holds of this run is damaged ({', '.join(damaged)}); delete it and run it again"
        values |= {"status": "failed", "error": said, "facts": None, "spec": values["spec"] or ""}
    for name in ("created", "started", "finished"):
        values[name] = None if row[name] is None else datetime.fromtimestamp(row[name], UTC)
    return Run(**values)
