"""One run in a worker: its lock and its child process, open from the first step that is really computed to the last."""

import logging
import time
from contextlib import ExitStack
from types import TracebackType

from qdash import home
from qdash.errors import QdashError, StoreTrouble
from qdash.executors.base import REGISTRY, Work
from qdash.jobs.steps import driving, never, outcome, step, stopper
from qdash.store.status import FINAL
from qdash.store.store import Store

EXECUTOR = "process"
WAIT_S = 5.0
LOG = logging.getLogger("qdash.jobs")


class Session:
    """Steps of one run. A step that a recovered job finds in its records is never asked for here."""

    def __init__(self, store: Store, run_id: str):
        self._store, self._run_id = store, run_id
        self._open = ExitStack()
        self._work: Work | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def step(self) -> str | None:
        """The next position; None where the run needs no further step, for whatever reason its status tells.

        Waits where the store can't be used at the moment: nothing that was found is lost.
        """
        while True:
            try:
                return self._step()
            except StoreTrouble as trouble:
                LOG.warning("run %s: %s", self._run_id, trouble)
                if not trouble.passing:
                    return None
            time.sleep(WAIT_S)

    def _step(self) -> str | None:
        if self._store.runs.settle_cancel(self._run_id) or self._store.runs.standing(self._run_id)[0] in FINAL:
            return None
        try:
            position = self._advance()
        except StoreTrouble:
            raise
        except QdashError as error:
            LOG.warning("run %s: %s", self._run_id, error)
            return None
        return None if self._store.runs.settle_cancel(self._run_id) else position

    def _advance(self) -> str | None:
        if self._work is None:
            self._open.enter_context(driving(self._store, self._run_id))
        with outcome(self._store, self._run_id):
            work = self._work = self._work or self._start()
            return step(self._store, self._run_id, work, stopper(self._store, self._run_id, never))

    def _start(self) -> Work:
        run = self._store.runs.get(self._run_id)
        self._store.runs.set_status(run.id, "running", host=home.host())
        executor = REGISTRY.create(EXECUTOR)
        work: Work = self._open.enter_context(executor.open(run.kind, run.spec, str(home.artifacts())))
        return work
