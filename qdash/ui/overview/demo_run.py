"""The first answer: on an empty store the demo's sweep is queued, once, and computed like any other run."""

from filelock import FileLock

from qdash import home
from qdash.jobs import client
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.start import FOLLOW_UP

TITLE = "Demo"
# One scale for a whole weight is too coarse for depthwise layers, and 4 bits make that visible.
SPEC = checked(
    SweepSpec,
    model="demo:digits-mobilenet",
    data="demo:digits",
    observers=("min_max",),
    weight_formats=("int4",),
    weight_granularity="per_tensor",
)


def ensure_demo(store: Store) -> str | None:
    """The id of the demo's run if the store holds nothing else; any number of callers make one together."""
    run_id = _only_run(store) or _created(store)
    if run_id is not None and store.runs.get(run_id).attempt == 0:  # whoever made it may have died before queueing it
        client.enqueue(home.store_url(), run_id)
    return run_id


def _created(store: Store) -> str | None:
    if store.runs.list(limit=1):
        return None
    with FileLock(home.locks(store.url) / "demo.lock"):
        if store.runs.list(limit=1):
            return _only_run(store)
        return store.runs.create(
            NewRun("sweep", SPEC.model_dump_json(), model=SPEC.model, data=SPEC.data, title=TITLE, follow_up=FOLLOW_UP)
        )


def _only_run(store: Store) -> str | None:
    runs = store.runs.list(limit=2)
    return runs[0].id if len(runs) == 1 and runs[0].title == TITLE and runs[0].status == "queued" else None
