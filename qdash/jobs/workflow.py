"""The durable workflow of a run, for DBOS: arguments and results are short strings."""

from collections.abc import Callable

from dbos import DBOS

from qdash.jobs.follow_up import create_follow_up
from qdash.jobs.names import WORKFLOW
from qdash.jobs.session import Session
from qdash.store.store import Store


def register(store: Store, enqueue: Callable[[str], None]) -> None:
    """Makes the workflow known to DBOS. `enqueue`: called with the id of a follow-up run, perhaps twice."""
    sessions: dict[str, Session] = {}

    @DBOS.step(name="step")
    def one_step(run_id: str) -> str | None:
        return sessions[run_id].step()

    @DBOS.step(name="follow_up")
    def follow_up(run_id: str) -> str | None:
        run = store.runs.get(run_id)
        following = create_follow_up(store, run) if run.status == "done" else None
        if following is not None:
            enqueue(following)
        return following

    # Without a limit: the default gives a job up after a hundred restarts of the machine.
    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
    def run(run_id: str) -> str | None:
        with Session(store, run_id) as sessions[run_id]:
            while one_step(run_id) is not None:
                pass
        return follow_up(run_id)
