"""Workers: who computes queued runs, and when it last gave a sign of life."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from qdash.store.schema import WORKER
from qdash.store.scores import upsert


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


def announce(connection: sa.Connection, name: str, host: str, pid: int) -> None:
    """A worker has started; replaces the row that a dead one of the same name left."""
    now = time.time()
    upsert(connection, WORKER, ("name",), [{"name": name, "host": host, "pid": pid, "started": now, "heartbeat": now}])


def beat(connection: sa.Connection, name: str) -> None:
    """A sign of life."""
    connection.execute(sa.update(WORKER).where(WORKER.c.name == name).values(heartbeat=time.time()))


def remove(connection: sa.Connection, name: str) -> None:
    """A worker has left, or was found dead and its runs taken over."""
    connection.execute(sa.delete(WORKER).where(WORKER.c.name == name))


def listed(connection: sa.Connection) -> list[Worker]:
    """All rows by name, dead workers' included."""
    return [_worker(row) for row in connection.execute(sa.select(WORKER).order_by(WORKER.c.name))]


def _worker(row: sa.Row[Any]) -> Worker:
    times = {name: datetime.fromtimestamp(row._mapping[name], UTC) for name in ("started", "heartbeat")}
    return Worker(name=row.name, host=row.host, pid=row.pid, **times)
