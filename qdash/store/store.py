"""The store: the only channel between a running job and a page."""

from collections.abc import Iterable
from types import TracebackType

import sqlalchemy as sa

from qdash import home
from qdash.records.scores import Facts, Progress, Record, Score
from qdash.store import scores
from qdash.store.engine import connect
from qdash.store.pins import Pins
from qdash.store.run_row import add_cost, add_facts, touch
from qdash.store.runs import Runs
from qdash.store.scores import Scores
from qdash.store.status import status_values
from qdash.store.trouble import patiently
from qdash.store.workers import Workers


class Store:
    """Runs, scores, pins and workers in one database; may be shared by threads."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine
        self.runs, self.scores = Runs(engine), Scores(engine)
        self.pins, self.workers = Pins(engine), Workers(engine)

    @classmethod
    def open(cls, url: str | None = None) -> "Store":
        """Opens and, where needed, creates or migrates. Raises InputError where that can't be done."""
        return cls(connect(url or home.store_url()))

    @property
    def url(self) -> str:
        """The full URL, password included: for another process, not for a screen."""
        return self._engine.url.render_as_string(hide_password=False)

    def save(self, run_id: str, records: Iterable[Record], *, wall_s: float = 0.0) -> None:
        """Everything one step found, in one transaction; a Progress without position makes the run `done`.

        Tried again for a while where the disk is full or the database locked; raises StoreTrouble after that.
        wall_s: seconds of the step, added to `cost["wall_s"]` over every resumption, as is what the step spent.
        """
        found = list(records)
        patiently(lambda: self._save(run_id, found, wall_s))

    def _save(self, run_id: str, records: list[Record], wall_s: float) -> None:
        facts = {name: value for r in records if isinstance(r, Facts) for name, value in r.values.items()}
        progress = [record for record in records if isinstance(record, Progress)]
        with self._engine.begin() as connection:
            sequence = touch(connection, run_id, **(_columns(progress[-1]) if progress else {}))
            add_facts(connection, run_id, facts)
            add_cost(connection, run_id, [{"wall_s": wall_s}, *(each.spent for each in progress)])
            scores.write(connection, run_id, sequence, (r for r in records if isinstance(r, Score)))

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _columns(at: Progress) -> dict[str, object]:
    """What a progress makes of its run's row."""
    columns = {"position": at.position, "done": at.done, "total": at.total, "message": at.message}
    return columns | (status_values("done") if at.position is None else {})
