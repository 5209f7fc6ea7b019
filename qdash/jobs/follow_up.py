"""What a finished run asks to be computed next, such as the measurements that belong to a sweep."""

import json

from qdash.answers.recommendation import create_measure_run
from qdash.errors import QdashError
from qdash.store.runs import NewRun, Run
from qdash.store.store import Store

MEASURE = {"kind": "measure"}


def create_follow_up(store: Store, run: Run) -> str | None:
    """The id of the queued run that `run.follow_up` describes, made once; None where it describes none.

    follow_up: JSON `{"kind": "measure"}` measures the mixed models that a finished sweep's ranking proposes; else
    `{"kind": …, "spec": {…}}`, where without "spec" the text itself is the spec. The new run's parent is the finished
    one. Raises QdashError where the text names no kind.
    """
    if run.follow_up is None:
        return None
    wanted = json.loads(run.follow_up)
    if not isinstance(wanted, dict) or "kind" not in wanted:
        raise QdashError(f"the follow-up of run {run.id} names no kind: {run.follow_up[:80]}")
    children = store.runs.list(kind=wanted["kind"], parent=run.id, limit=None)
    if wanted == MEASURE:
        return children[-1].id if children else create_measure_run(store, run.id)
    spec = json.dumps(wanted["spec"]) if "spec" in wanted else run.follow_up
    for child in children:
        if child.spec == spec:
            return child.id
    return store.runs.create(
        NewRun(wanted["kind"], spec, model=run.model, data=run.data, title=run.title, parent=run.id)
    )
