"""Where a run stands, and the columns that say so."""

import time
from typing import Literal, get_args

import sqlalchemy as sa

from qdash.errors import InputError
from qdash.store.schema import RUN

Status = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
STATUSES: tuple[str, ...] = get_args(Status)
FINAL: tuple[str, ...] = ("done", "failed", "cancelled", "interrupted")


def status_values(status: Status, error: str | None = None) -> dict[str, object]:
    """The columns that go with a status: its times, and an error that only a failed run keeps."""
    if status not in STATUSES:
        raise InputError(f"unknown status {status!r}; choose from {', '.join(STATUSES)}")
    if status == "running":
        first_start = sa.func.coalesce(RUN.c.started, time.time())
        return {"status": status, "error": error, "finished": None, "started": first_start}
    return {"status": status, "error": error, "finished": time.time() if status in FINAL else None}
