"""From a queued run to a finished one: work is advanced step by step, and each step is saved before the next."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from qdash import home
from qdash.errors import InputError, InterruptedRun, QdashError, StoreTrouble
from qdash.executors.base import REGISTRY, ShouldStop, Work
from qdash.faults import as_qdash_error
from qdash.records.scores import Progress, Record
from qdash.store.runs import Run
from qdash.store.status import FINAL
from qdash.store.store import Store

OnRecord = Callable[[Record], None]
CANCEL_POLL_S = 0.2  # between layers the store is asked at most this often


def never() -> bool:
    """The `should_stop` of a run that nothing stops."""
    return False


def step(
    store: Store, run_id: str, work: Work, should_stop: ShouldStop = never, on_record: OnRecord | None = None
) -> str | None:
    """Advances from the stored position, saves what was found in one transaction, returns the next position.

    None: finished, and the run is `done`. A step that is repeated after a crash starts where the store stands.
    """
    began = time.perf_counter()
    records = []
    _, position = store.runs.standing(run_id)
    for record in work.advance(position, should_stop):
        records.append(record)
        if on_record is not None:
            on_record(record)
    if not records or not isinstance(records[-1], Progress):
        raise QdashError(f"the work of run {run_id} ended a step without its Progress")
    store.save(run_id, records, wall_s=time.perf_counter() - began)
    return records[-1].position


def drive(
    store: Store, run_id: str, work: Work, *, should_stop: ShouldStop = never, on_record: OnRecord | None = None
) -> Run:
    """Steps until the run is done, cancelled (by the store's flag) or interrupted (by `should_stop` or Ctrl-C).

    An error is stored with the run and raised; the position of the last finished step is kept in every case.
    """
    with outcome(store, run_id):
        store.runs.set_status(run_id, "running", host=home.host())
        stop = stopper(store, run_id, should_stop)
        while step(store, run_id, work, stop, on_record) is not None:
            if store.runs.settle_cancel(run_id) or store.runs.standing(run_id)[0] in FINAL:
                break
            if should_stop():
                store.runs.set_status(run_id, "interrupted")
                break
    return store.runs.get(run_id)


def run_inline(
    store: Store,
    run_id: str,
    executor: str = "inline",
    *,
    should_stop: ShouldStop = never,
    on_record: OnRecord | None = None,
) -> Run:
    """Computes a run, new or begun, for the caller to wait for. `executor`: where its work happens."""
    run = store.runs.get(run_id)
    if run.status == "done":
        raise InputError(f"the run {run.id} is done; see it with: python -m qdash show {run.id}")
    with driving(store, run.id), outcome(store, run.id):
        store.runs.clear_cancel(run.id)
        # Before model and data are loaded: if this process dies meanwhile, that is seen.
        store.runs.set_status(run.id, "running", host=home.host())
        place = REGISTRY.create(executor)
        with place.open(run.kind, run.spec, str(home.artifacts())) as work:
            return drive(store, run.id, work, should_stop=should_stop, on_record=on_record)


@contextmanager
def driving(store: Store, run_id: str) -> Iterator[None]:
    """Holds the run against a second process. Raises InputError where one computes it already."""
    lock = _lock(store, run_id)
    try:
        lock.acquire(timeout=1)  # `driven` holds it for a moment
    except Timeout:
        raise InputError(f"the run {run_id} is being computed by another process; wait, or cancel it first") from None
    try:
        yield
    finally:
        lock.release()


def driven(store: Store, run: Run) -> bool:
    """Whether somebody computes the run; what another machine does can't be seen and counts as yes."""
    if run.status != "running":
        return False
    if run.host != home.host():
        return True
    lock = _lock(store, run.id)
    try:
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def settle_abandoned(store: Store) -> list[str]:
    """Marks runs as interrupted whose process is gone without a word; returns their ids. Durable jobs recover."""
    running = store.runs.list(status="running", limit=None)
    gone = [run.id for run in running if run.attempt == 0 and not driven(store, run)]
    for run_id in gone:
        store.runs.set_status(run_id, "interrupted", error="its process ended without a word")
    return gone


@contextmanager
def outcome(store: Store, run_id: str) -> Iterator[None]:
    """Stores how a run ended that did not end by itself, and raises the error of our tree that says so."""
    try:
        yield
    except KeyboardInterrupt:
        store.runs.set_status(run_id, "interrupted")
        raise InterruptedRun(f"interrupted; go on with: python -m qdash resume {run_id}") from None
    except (InterruptedRun, StoreTrouble):  # where nothing can be stored the run stays as it is, and can be resumed
        raise
    except Exception as error:
        known = as_qdash_error(error)
        store.runs.set_status(run_id, "failed", error=" ".join(str(known).split()))
        raise known from error


def stopper(store: Store, run_id: str, should_stop: ShouldStop) -> ShouldStop:
    """True once the caller wants to stop or the run's cancel flag is set; asks the store only so often."""
    asked_at, cancelled = 0.0, False

    def stop() -> bool:
        nonlocal asked_at, cancelled
        if should_stop():
            return True
        if time.monotonic() - asked_at > CANCEL_POLL_S:
            asked_at, cancelled = time.monotonic(), store.runs.cancel_requested(run_id)
        return cancelled

    return stop


def _lock(store: Store, run_id: str) -> FileLock:
    return FileLock(home.locks(store.url) / f"{run_id}.lock")
