"""The store: the only channel between a running job and a page."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from qdash import home
from qdash.errors import InputError
from qdash.records.scores import Facts, Progress, Record, Score
from qdash.store import decisions, runs, scores, workers
from qdash.store.engine import connect
from qdash.store.runs import Run, Status
from qdash.store.schema import RUN
from qdash.store.workers import Worker


class Store:
    """Runs, scores, decisions and workers in one database; may be shared by threads."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    @classmethod
    def open(cls, url: str | None = None) -> "Store":
        """Opens and, where needed, creates or migrates. Raises InputError where that can't be done."""
        return cls(connect(url or home.store_url()))

    @property
    def url(self) -> str:
        """The full URL, password included: for another process, not for a screen."""
        return self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Runs

    def create_run(
        self,
        kind: str,
        spec: str,
        *,
        model: str,
        data: str,
        title: str = "",
        parent: str | None = None,
        identity: str = "",
        follow_up: str | None = None,
    ) -> str:
        """A queued run; returns its id. `spec`, `follow_up`: JSON text."""
        values = {"kind": kind, "spec": spec, "model": model, "data": data, "title": title, "parent": parent}
        values |= {"identity": identity, "follow_up": follow_up}
        if parent is not None:
            values["parent"] = self.run(parent).id
        while True:
            try:
                with self._engine.begin() as connection:
                    return runs.insert(connection, values)
            except IntegrityError:
                time.sleep(2**-15)  # another process took this id within the same 15 microseconds

    def run(self, run_id: str) -> Run:
        """By id, a unique prefix of one, or `latest`. Raises InputError where there is no such run."""
        with self._engine.connect() as connection:
            return runs.select(connection, run_id)

    def standing(self, run_id: str) -> tuple[Status, str | None]:
        """Status and position of a run by its whole id, for every step to ask: its facts may be a megabyte.

        Raises InputError where there is no such run.
        """
        with self._engine.connect() as connection:
            return runs.standing(connection, run_id)

    def runs(
        self,
        kind: str | None = None,
        parent: str | None = None,
        status: Status | None = None,
        limit: int | None = 100,
        *,
        identity: str | None = None,
        model: str | None = None,
    ) -> list[Run]:
        """Newest first; an argument that is None doesn't filter."""
        filters = {"kind": kind, "parent": parent, "status": status, "identity": identity, "model": model}
        with self._engine.connect() as connection:
            return runs.listed(connection, filters, limit)

    def delete_run(self, run_id: str) -> None:
        """The run with its scores and decisions; artifacts may serve other runs. Raises InputError while it runs."""
        run = self.run(run_id)
        if run.status == "running":
            raise InputError(f"the run {run.id} is running; cancel it first: python -m qdash cancel {run.id}")
        with self._engine.begin() as connection:
            connection.execute(sa.delete(RUN).where(RUN.c.id == run.id))

    def revision(self, run_id: str) -> int:
        """A number that changes with anything about the run: the key of a page's cache. 0 where it is gone."""
        with self._engine.connect() as connection:
            return int(connection.scalar(sa.select(RUN.c.revision).where(RUN.c.id == run_id)) or 0)

    def set_status(
        self,
        run_id: str,
        status: Status,
        error: str | None = None,
        cost: Mapping[str, float] | None = None,
        *,
        host: str | None = None,
    ) -> None:
        """Sets status, times and error; lays `cost` over what is known."""
        values = runs.status_values(status, error) | ({} if host is None else {"host": host})
        with self._engine.begin() as connection:
            runs.touch(connection, run_id, **values)
            if cost:
                merged = runs.merged(connection, run_id, "cost", cost)
                connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(cost=merged))

    def enqueued(self, run_id: str) -> int:
        """Marks the run as a durable job and returns the attempt; one that already waits or runs keeps its attempt."""
        anew = sa.or_(RUN.c.attempt == 0, RUN.c.status.in_(runs.FINAL))
        with self._engine.begin() as connection:
            runs.touch(connection, run_id, cancel_requested=False)
            statement = sa.update(RUN).where(RUN.c.id == run_id, anew, RUN.c.status != "done")
            values = runs.status_values("queued", None)
            connection.execute(statement.values(attempt=RUN.c.attempt + 1, **values))
            return int(connection.scalar(sa.select(RUN.c.attempt).where(RUN.c.id == run_id)) or 0)

    # Cancelling

    def request_cancel(self, run_id: str) -> None:
        """Asks whoever computes the run to stop between two layers."""
        with self._engine.begin() as connection:
            runs.touch(connection, run_id, cancel_requested=True)

    def clear_cancel(self, run_id: str) -> None:
        """Takes the request back."""
        with self._engine.begin() as connection:
            runs.touch(connection, run_id, cancel_requested=False)

    def cancel_requested(self, run_id: str) -> bool:
        """Also true where the run is gone: there is nobody left to compute for."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(RUN.c.cancel_requested).where(RUN.c.id == run_id)) in (None, True)

    def settle_cancel(self, run_id: str) -> bool:
        """Turns a request into the status `cancelled`, unless the run is final or the request was taken back."""
        asked = sa.and_(RUN.c.id == run_id, RUN.c.cancel_requested, RUN.c.status.in_(("queued", "running")))
        values = runs.status_values("cancelled", None)
        with self._engine.begin() as connection:
            statement = sa.update(RUN).where(asked).values(revision=RUN.c.revision + 1, **values)
            return connection.execute(statement).rowcount == 1

    # Records

    def save(self, run_id: str, records: Iterable[Record], *, wall_s: float = 0.0) -> None:
        """Everything one step found, in one transaction; a Progress without position makes the run `done`.

        wall_s: seconds of the step, added to `cost["wall_s"]` over every resumption, as is what the step spent.
        """
        records = list(records)
        facts: dict[str, Any] = {k: v for r in records if isinstance(r, Facts) for k, v in r.values.items()}
        progress = next((r for r in reversed(records) if isinstance(r, Progress)), None)
        with self._engine.begin() as connection:
            sequence = runs.touch(connection, run_id, **_progress_values(progress))
            if facts:
                merged = runs.merged(connection, run_id, "facts", facts)
                connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(facts=merged))
            spent = [record.spent for record in records if isinstance(record, Progress)]
            runs.add_cost(connection, run_id, [{"wall_s": wall_s}, *spent])
            scores.write(connection, run_id, sequence, (r for r in records if isinstance(r, Score)))

    def scores(
        self, run_id: str, kind: str | None = None, subject: str | None = None, *, samples: bool = True
    ) -> list[Score]:
        """Ordered by kind, subject, setting and batch. `samples=False` leaves the per-sample arrays out."""
        with self._engine.connect() as connection:
            return scores.read(connection, run_id, kind=kind, subject=subject, samples=samples)[0]

    def scores_since(self, run_id: str, sequence: int, *, samples: bool = True) -> tuple[list[Score], int]:
        """The scores written or replaced after `sequence` (0: all), and the sequence to ask with next time."""
        with self._engine.connect() as connection:
            return scores.read(connection, run_id, after=sequence, samples=samples)

    # Decisions

    def pins(self, run_id: str) -> dict[str, bool]:
        """By layer: True keeps it in FP32, False quantizes it; layers nobody decided about are absent."""
        with self._engine.connect() as connection:
            return decisions.pins(connection, run_id)

    def set_pin(self, run_id: str, layer: str, pinned: bool, *, note: str = "", author: str = "") -> None:
        """Replaces an earlier decision about the layer."""
        with self._engine.begin() as connection:
            decisions.set_pin(connection, run_id, layer, pinned, note, author)

    def clear_pins(self, run_id: str) -> None:
        """Forgets every decision of a run."""
        with self._engine.begin() as connection:
            decisions.clear(connection, run_id)

    # Workers

    def announce_worker(self, name: str, host: str, pid: int) -> None:
        """A worker has started."""
        with self._engine.begin() as connection:
            workers.announce(connection, name, host, pid)

    def beat_worker(self, name: str) -> None:
        """A worker's sign of life."""
        with self._engine.begin() as connection:
            workers.beat(connection, name)

    def remove_worker(self, name: str) -> None:
        """A worker has left or was found dead."""
        with self._engine.begin() as connection:
            workers.remove(connection, name)

    def workers(self) -> list[Worker]:
        """All that have announced themselves and not left."""
        with self._engine.connect() as connection:
            return workers.listed(connection)


def _progress_values(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    values = {
        "position": progress.position,
        "done": progress.done,
        "total": progress.total,
        "message": progress.message,
    }
    return values | (runs.status_values("done", None) if progress.position is None else {})
