"""Workers: who computes queued runs, and when it last gave a sign of life."""

import builtins
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from qdash.store.schema import WORKER
from qdash.store.upsert import upsert


@dataclass(frozen=True)
class Worker:
    """One worker process; `name` is its host and the devices it sees."""

    name: str
    host: str
    pid: int
    started: datetime
    heartbeat: datetime

    @property
    def silent_s(self) -> float:
        """Seconds since its last heartbeat."""
        return time.time() - self.heartbeat.timestamp()


class Workers:
    """The workers that serve a store."""

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def announce(self, name: str, host: str, pid: int) -> None:
        """A worker has started; replaces the row that a dead one of the same name left."""
        now = time.time()
        with self._engine.begin() as connection:
            upsert(connection, WORKER, [{"name": name, "host": host, "pid": pid, "started": now, "heartbeat": now}])

    def beat(self, name: str) -> None:
        """A sign of life."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(WORKER).where(WORKER.c.name == name).values(heartbeat=time.time()))

    def remove(self, name: str) -> None:
        """A worker has left, or was found dead and its runs taken over."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(WORKER).where(WORKER.c.name == name))

    def list(self) -> builtins.list[Worker]:
        """All that have announced themselves and not left, by name, dead ones included."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(WORKER).order_by(WORKER.c.name))
            return [_worker(row) for row in rows.mappings()]


def _worker(row: sa.RowMapping) -> Worker:
    times = {name: datetime.fromtimestamp(row[name], UTC) for name in ("started", "heartbeat")}
    return Worker(name=row["name"], host=row["host"], pid=row["pid"], **times)
