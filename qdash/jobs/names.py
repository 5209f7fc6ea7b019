"""The names under which pages and workers find each other's jobs, workers and locks."""

import os
from pathlib import Path

from sqlalchemy.engine import make_url

from qdash import home

APPLICATION = "qdash"
QUEUE = "qdash"
WORKFLOW = "run"

JOB_FORMAT = "1"
"""The version of the stored jobs (the workflow's arguments and steps). DBOS recovers only jobs of its own version, so
it must not hang on the source code, and a job's id carries it: after a change, unfinished runs are queued afresh."""


def workflow_id(run_id: str, attempt: int) -> str:
    """The id of one attempt at a run: queueing it twice is queueing it once."""
    return f"{run_id}.{attempt}.v{JOB_FORMAT}"


def dbos_url(store_url: str) -> str:
    """DBOS's own tables: beside an SQLite store, whose writers must not wait for DBOS's, else in the same database."""
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database))
        url = url.set(database=str(file.with_name(f"{file.stem}.dbos{file.suffix}")))
    return url.render_as_string(hide_password=False)


def devices() -> str:
    """The devices that a process here may use: a worker per set of them."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") or "all"


def worker_name() -> str:
    """The DBOS executor id: the same after a restart, so that a new worker recovers what the last one left."""
    return f"{home.host()}:{devices()}"
