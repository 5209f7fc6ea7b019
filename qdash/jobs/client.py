"""What pages and the command line do with durable jobs: queue, cancel, resume, and see that a worker runs."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from filelock import FileLock, Timeout

from qdash import home
from qdash.errors import InputError
from qdash.executors.spawning import environment
from qdash.jobs import names
from qdash.jobs.steps import driven
from qdash.store.runs import Run
from qdash.store.store import Store
from qdash.store.workers import Worker

if TYPE_CHECKING:
    from dbos import DBOSClient

SILENT_S = 30.0  # a worker that gives no sign of life for so long is dead
START_TIMEOUT_S = 5.0
QUEUE_POLL_S = 0.2
LOG_BYTES = 2_000_000
_OPENING = threading.Lock()


@dataclass(frozen=True)
class WorkerState:
    """alive: whether a worker computes queued runs; the rest tells which, None where there was none."""

    alive: bool
    name: str | None = None
    pid: int | None = None
    since: datetime | None = None
    heartbeat: datetime | None = None


def enqueue(store_url: str, run_id: str, *, start_worker: bool = True) -> None:
    """Queues a run, however often it is asked; one that failed or was cancelled is a new attempt from its position.

    Raises InputError where the run is done or unknown.
    """
    store = _store(store_url)
    run = store.runs.get(run_id)
    if run.status == "done":
        raise InputError(f"the run {run.id} is done; there is nothing left to compute")
    attempt = store.runs.queue(run.id)
    _client(store_url).enqueue(
        {
            "workflow_name": names.WORKFLOW,
            "queue_name": names.QUEUE,
            "workflow_id": names.workflow_id(run.id, attempt),
            "app_version": names.JOB_FORMAT,
        },
        run.id,
    )
    if start_worker:
        ensure_worker(store_url)


def cancel(store_url: str, run_id: str) -> None:
    """Stops a run between two layers; what it has found stays. Raises InputError where it has ended already."""
    store = _store(store_url)
    run = store.runs.get(run_id)
    if run.final:
        raise InputError(f"the run {run.id} is {run.status}; there is nothing to cancel")
    store.runs.request_cancel(run.id)
    if not driven(store, run):
        store.runs.settle_cancel(run.id)


def resume(store_url: str, run_id: str) -> None:
    """Goes on in a worker after the last finished step. Raises InputError where nothing is left to do."""
    store = _store(store_url)
    run = store.runs.get(run_id)
    if driven(store, run) and not run.cancel_requested:
        raise InputError(f"the run {run.id} is running; there is nothing to resume")
    enqueue(store_url, run.id)


def ensure_worker(store_url: str) -> None:
    """Starts a worker in a process of its own unless there is one; any number of callers start one together."""
    if worker_state(store_url).alive:
        return
    lock = worker_lock(store_url)
    try:
        with FileLock(f"{lock}.start").acquire(timeout=2 * START_TIMEOUT_S):
            if not _held(lock):
                _await_start(_start(store_url, lock), lock)
    except Timeout:
        raise InputError(f"no worker could be started in time; see {home.logs() / 'worker.log'}") from None


def worker_state(store_url: str) -> WorkerState:
    """Of the worker seen last."""
    workers = _store(store_url).workers.list()
    if not workers:
        return WorkerState(False)
    last = max(workers, key=lambda worker: (is_alive(worker), worker.heartbeat))
    return WorkerState(is_alive(last), last.name, last.pid, last.started, last.heartbeat)


def is_alive(worker: Worker) -> bool:
    """By its heartbeat, and on this machine by its process."""
    if worker.silent_s > SILENT_S:
        return False
    if worker.host != home.host() or os.name == "nt":
        return True
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def worker_lock(store_url: str) -> Path:
    """The file that the worker of this machine's devices holds a lock on."""
    devices = "".join(c if c.isalnum() else "-" for c in names.devices())
    return home.locks(_store(store_url).url) / f"worker-{devices}.lock"


def ended(store_url: str, run: Run) -> bool:
    """Whether the job of the run's last attempt has ended as far as DBOS knows."""
    jobs = _client(store_url).list_workflows(
        workflow_ids=[names.workflow_id(run.id, run.attempt)], load_input=False, load_output=False
    )
    return any(job.status not in ("ENQUEUED", "PENDING", "DELAYED") for job in jobs)


def register_queue(store_url: str) -> None:
    """Makes the queue known: one run at a time in each worker."""
    _client(store_url).register_queue(names.QUEUE, worker_concurrency=1, polling_interval_sec=QUEUE_POLL_S)


def prepare(store_url: str) -> None:
    """Makes DBOS's tables where they are missing; safe from several processes at once."""
    from dbos import DBOS

    url = names.dbos_url(store_url)
    if url.startswith("sqlite"):
        # DBOS leaves the journal mode alone; in the default one readers block writers.
        with sqlite3.connect(url.partition(":///")[2], timeout=10) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            home.make_private(Path(url.partition(":///")[2]))
        connection.close()
    DBOS.migrate(system_database_url=url)


def _store(url: str) -> Store:
    with _OPENING:
        return _opened_store(url)


@lru_cache(maxsize=8)
def _opened_store(url: str) -> Store:
    return Store.open(url)


def _client(url: str) -> "DBOSClient":
    address = _store(url).url
    with _OPENING:
        return _opened_client(address)


@lru_cache(maxsize=8)
def _opened_client(url: str) -> "DBOSClient":
    # 0.5 s to import: only where something is queued.
    from dbos import DBOSClient, DBOSPortableJSONSerializer

    prepare(url)
    return DBOSClient(
        system_database_url=names.dbos_url(url),
        serializer=DBOSPortableJSONSerializer(),
        application_name=names.APPLICATION,
    )


def _held(lock: Path) -> bool:
    try:
        with FileLock(lock).acquire(blocking=False):
            return False
    except Timeout:
        return True


def _start(store_url: str, lock: Path) -> "subprocess.Popen[bytes]":
    with _log() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "qdash.jobs.worker", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment(), "QDASH_STORE_URL": _store(store_url).url, "QDASH_HOME": str(home.home())},
            start_new_session=True,  # it outlives the page, the server and the terminal
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie when it leaves
    return process


def _await_start(process: "subprocess.Popen[bytes]", lock: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None and not _held(lock):
        time.sleep(0.01)


def _log() -> IO[bytes]:
    path = home.logs() / "worker.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    log = path.open("ab")
    home.make_private(path)
    return log
