"""Starting, stopping and resuming runs from the pages."""

from collections.abc import Callable, Sequence

import streamlit as st

from qdash import home
from qdash.answers.agreement import create_measuring_run
from qdash.answers.stored import Sweep
from qdash.errors import QdashError
from qdash.jobs import client
from qdash.registry import family
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source, SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.words import escaped

FOLLOW_UP = '{"kind": "measure"}'
"""After a sweep the worker measures the curve that its ranking proposes."""


def start_sweep(store: Store, spec: SweepSpec, title: str = "") -> str:
    """Queues a sweep with the measurement that follows it; returns its id."""
    return _queued(store, "sweep", spec, title, FOLLOW_UP if _measures_output(spec) else None)


def _measures_output(spec: SweepSpec) -> bool:
    return bool(family("methods").create(spec.method).measures_output)


def start_probe(store: Store, source: Source) -> str:
    """Queues a first look at a model and its data; returns its id."""
    return _queued(store, "probe", source)


def start_measuring(store: Store, sweep_run_id: str) -> str:
    """Queues the measurement of the curve of a sweep; returns its id."""
    from qdash.answers.recommendation import create_measure_run

    run_id = create_measure_run(store, sweep_run_id)
    client.enqueue(home.store_url(), run_id)
    return run_id


def start_measuring_layers(store: Store, sweep: Sweep, setting: Setting, layers: Sequence[str]) -> str:
    """Queues the exact measurement of some layers of an estimate; returns its id."""
    run_id = create_measuring_run(store, sweep, setting, layers)
    client.enqueue(home.store_url(), run_id)
    return run_id


def same_runs(store: Store, spec: SweepSpec) -> list[str]:
    """The ids of earlier sweeps with the very same settings, newest first."""
    text = spec.model_dump_json()
    return [run.id for run in store.runs.list(kind="sweep", limit=500) if run.spec == text]


def attempted(action: Callable[[], object], done: str = "") -> bool:
    """Does it; a problem becomes one line on the page, success a short notice."""
    try:
        action()
    except QdashError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return False
    if done:
        st.toast(done, icon=":material/check:")
    return True


def cancel(run_id: str) -> bool:
    """Cancels; what was found stays."""
    return attempted(lambda: client.cancel(home.store_url(), run_id), "Cancelling: it stops after the layer in work.")


def resume(run_id: str) -> bool:
    """Goes on where the run stands."""
    return attempted(lambda: client.resume(home.store_url(), run_id), "Queued again: it goes on where it stood.")


def _queued(store: Store, kind: str, spec: Source, title: str = "", follow_up: str | None = None) -> str:
    run_id = store.runs.create(
        NewRun(kind, spec.model_dump_json(), model=spec.model, data=spec.data, title=title, follow_up=follow_up)
    )
    client.enqueue(home.store_url(), run_id)
    return run_id
