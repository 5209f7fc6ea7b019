"""What a worker does between starting and leaving: heartbeats, recovery, and the wait for work."""

import logging
import os
import signal
import time
from contextlib import suppress
from types import FrameType

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from filelock import FileLock

from qdash import home
from qdash.errors import StoreTrouble
from qdash.executors.scheduling import be_nice
from qdash.jobs import client, names
from qdash.jobs.steps import settle_abandoned
from qdash.jobs.workflow import register
from qdash.store.runs import Run
from qdash.store.store import Store

IDLE_S = 600.0
HEARTBEAT_S = 2.0
LOG = logging.getLogger("qdash.jobs")


def serve(lock: FileLock) -> None:
    """Computes runs until there have been none for QDASH_WORKER_IDLE_S seconds (ten minutes by default)."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    be_nice(whole_session=True)
    signal.signal(signal.SIGTERM, _leave_at_once)
    with Store.open() as store:
        service = Service(store)
        service.start()
        service.wait_until_idle(float(os.environ.get("QDASH_WORKER_IDLE_S") or IDLE_S))
        service.stop()
        lock.release()
        # Whoever queued a run since the last look saw the lock held and started no worker.
        if unfinished(store):
            client.ensure_worker(store.url)


class Service:
    """The DBOS side of one worker."""

    def __init__(self, store: Store):
        self._store = store
        self._name = names.worker_name()

    def start(self) -> None:
        """Announces the worker, recovers what the last one left, and listens to the queue."""
        LOG.info("worker %s starts (pid %s)", self._name, os.getpid())
        client.register_queue(self._store.url)  # before the launch: DBOS looks for new queues only once a second
        DBOS(config=_config(self._store.url, self._name))
        register(self._store, lambda run_id: client.enqueue(self._store.url, run_id, start_worker=False))
        DBOS.launch()
        self._store.workers.announce(self._name, home.host(), os.getpid())
        settle_abandoned(self._store)
        self._queue_lost_runs()

    def wait_until_idle(self, idle_s: float) -> None:
        """Returns once no run has been waiting or running for so long."""
        busy_at = time.monotonic()
        while time.monotonic() - busy_at < idle_s:
            if self._look_around():
                busy_at = time.monotonic()
            time.sleep(min(HEARTBEAT_S, idle_s / 4))

    def _look_around(self) -> bool:
        """A heartbeat, and whether there is work; none is seen while the store can't be used."""
        try:
            self._store.workers.beat(self._name)
            self._take_over_from_the_dead()
            return bool(unfinished(self._store))
        except StoreTrouble as trouble:
            LOG.warning("%s", trouble)
            return trouble.passing

    def stop(self) -> None:
        """Leaves the store to the next worker."""
        LOG.info("worker %s leaves: nothing to do", self._name)
        self._store.workers.remove(self._name)
        DBOS.destroy()

    def _queue_lost_runs(self) -> None:
        """Queues runs again whose job is of an older format, or was never queued because a page died in between."""
        for run in unfinished(self._store):
            if client.ended(self._store.url, run):
                self._store.runs.set_status(run.id, "interrupted", error="its job ended without a word; resume it")
            else:
                client.enqueue(self._store.url, run.id, start_worker=False)

    def _take_over_from_the_dead(self) -> None:
        for worker in self._store.workers.list():
            if worker.name == self._name or client.is_alive(worker):
                continue
            for job in DBOS.list_workflows(status="PENDING", executor_id=worker.name, load_input=False):
                LOG.info("taking over %s from %s", job.workflow_id, worker.name)
                DBOS.resume_workflow(job.workflow_id, queue_name=names.QUEUE)
            self._store.workers.remove(worker.name)


def unfinished(store: Store) -> list[Run]:
    """The durable runs that wait or run."""
    runs = store.runs.list(status="queued", limit=None) + store.runs.list(status="running", limit=None)
    return [run for run in runs if run.attempt > 0]


def _config(store_url: str, name: str) -> DBOSConfig:
    return {
        "name": names.APPLICATION,
        "system_database_url": names.dbos_url(store_url),
        "application_version": names.JOB_FORMAT,
        "executor_id": name,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
    }


def _leave_at_once(_signal: int, _frame: FrameType | None) -> None:
    """Like a crash, and as harmless: the run's child sees its pipe close, the next worker recovers the run."""
    with suppress(OSError):
        LOG.info("worker told to end")
    os._exit(0)
