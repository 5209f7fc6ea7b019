"""What the person looks at: run, layer and setting live in the URL, results are cached by the run's revision."""

from typing import Any

import streamlit as st

from qdash import home
from qdash.answers.stored import Sweep, latest_sweep, load_sweep, measured_points
from qdash.errors import InputError
from qdash.results.frontier import Limits
from qdash.results.sweep import setting_result
from qdash.spec import Setting
from qdash.store.runs import Run
from qdash.store.store import Store

RUN, LAYER, SETTING, DROP = "run", "layer", "setting", "drop"


def store() -> Store:
    """The store of this installation, opened once per process and shared by all sessions."""
    return _store(home.store_url())


def current_run_id() -> str | None:
    """The run of the URL, else the one looked at before, else the latest sweep; None on an empty store."""
    run = current_run()
    return run.id if run else None


def current_run() -> Run | None:
    """See `current_run_id`. Raises InputError where the URL names a run that is not in the store."""
    wanted = st.query_params.get(RUN)
    run = store().runs.get(wanted) if wanted else _looked_at_before() or latest_sweep(store())
    if run is not None:
        _keep(RUN, run.id)
    return run


def current_sweep_run() -> Run | None:
    """The current run if it is a sweep, else the sweep that it belongs to; None where there is none."""
    run = current_run()
    if run is None or run.kind == "sweep":
        return run
    return store().runs.get(run.parent) if run.parent else None


def select_run(run_id: str) -> None:
    """Makes it the run of every page; its layer and setting start anew."""
    _keep(RUN, run_id)
    for name in (LAYER, SETTING):
        _forget(name)


def forget_run(run_id: str) -> None:
    """After a run was deleted: the latest takes its place where it was looked at."""
    if _recalled(RUN) == run_id:
        for name in (RUN, LAYER, SETTING):
            _forget(name)


def load(run_id: str) -> Sweep:
    """A sweep with all scores, shared and read-only. Raises InputError where it has found nothing yet."""
    return _sweep(home.store_url(), run_id, store().runs.revision(run_id))


def result(run_id: str) -> dict[str, Any]:
    """The sweep JSON (infinities are floats), shared and read-only."""
    return _result(home.store_url(), run_id, store().runs.revision(run_id))


def answer(sweep: Sweep) -> dict[str, Any]:
    """The sweep JSON of the selected setting alone: a fraction of the work, for what is redrawn every second."""
    setting = selected_setting(sweep).model_dump_json()
    return _answer(home.store_url(), sweep.run.id, sweep.run.revision, setting)


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """The rows of the selected setting, worst first, shared and read-only; `rank` counts from 1."""
    found: list[dict[str, Any]] = answer(sweep)["layers"]
    return found


def rows_of(run: Run, setting: Setting) -> list[dict[str, Any]]:
    """The rows of any sweep under one of its settings, shared and read-only; empty before it has found anything."""
    if run.facts is None:
        return []
    found: list[dict[str, Any]] = _answer(home.store_url(), run.id, run.revision, setting.model_dump_json())["layers"]
    return found


def points(run_id: str, setting: Setting) -> list[dict[str, Any]]:
    """The measured curve of a sweep under a setting, shared and read-only; empty while nothing is measured."""
    revisions = tuple((run.id, run.revision) for run in store().runs.list(kind="measure", parent=run_id, limit=None))
    return _points(home.store_url(), run_id, setting.model_dump_json(), (store().runs.revision(run_id), *revisions))


def selected_layer(sweep: Sweep | None = None) -> str | None:
    """The layer of the URL or the one selected before; with `sweep` only if that run has it."""
    layer = _recalled(LAYER)
    if sweep is not None and layer not in {entry["layer"] for entry in sweep.facts["layers"]}:
        return None
    if layer is not None:
        _keep(LAYER, layer)
    return layer


def select_layer(name: str | None) -> None:
    """Selects a layer on every page and in the URL; None selects nothing."""
    if name is None:
        _forget(LAYER)
    else:
        _keep(LAYER, name)


def selected_setting(sweep: Sweep) -> Setting:
    """The setting of the URL, else the first of the run's matrix."""
    key = _recalled(SETTING)
    known = {setting.key: setting for setting in sweep.spec.settings()}
    if key not in known:
        return sweep.setting()
    _keep(SETTING, key)
    return known[key]


def select_setting(key: str) -> None:
    """Selects a setting by its key on every page and in the URL."""
    _keep(SETTING, key)


def max_drop_points() -> float:
    """The tolerance of the URL in points of the metric, else the default."""
    try:
        return max(0.0, float(_recalled(DROP) or Limits().max_drop_points))
    except ValueError:
        return Limits().max_drop_points


def select_max_drop_points(value: float) -> None:
    """Sets the tolerance on every page and in the URL."""
    _keep(DROP, f"{value:g}")


def link(**extra: str) -> dict[str, str]:
    """The query of a link that keeps what is looked at: for `query_params` of a page link."""
    shown = {name: value for name in (RUN, LAYER, SETTING, DROP) if (value := _recalled(name))}
    return shown | extra


def _recalled(name: str) -> str | None:
    value = st.query_params.get(name) or st.session_state.get(_remembered(name))
    return str(value) if value else None


def _keep(name: str, value: str) -> None:
    st.session_state[_remembered(name)] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value


def _forget(name: str) -> None:
    st.session_state.pop(_remembered(name), None)
    st.query_params.pop(name, None)


def _remembered(name: str) -> str:
    return f"looked_at_{name}"


def _looked_at_before() -> Run | None:
    run_id = st.session_state.get(_remembered(RUN))
    try:
        return store().runs.get(run_id) if run_id else None
    except InputError:  # deleted meanwhile
        return None


@st.cache_resource(show_spinner=False)
def _store(url: str) -> Store:
    return Store.open(url)


@st.cache_resource(show_spinner=False, max_entries=6)
def _sweep(url: str, run_id: str, revision: int) -> Sweep:
    return load_sweep(_store(url), run_id)


@st.cache_resource(show_spinner=False, max_entries=6)
def _result(url: str, run_id: str, revision: int) -> dict[str, Any]:
    return _sweep(url, run_id, revision).result()


@st.cache_resource(show_spinner=False, max_entries=32)
def _answer(url: str, run_id: str, revision: int, setting: str) -> dict[str, Any]:
    sweep = _sweep(url, run_id, revision)
    return setting_result(sweep.spec, Setting.model_validate_json(setting), sweep.facts, sweep.tallies)


@st.cache_resource(show_spinner=False, max_entries=12)
def _points(url: str, run_id: str, setting: str, revisions: tuple[Any, ...]) -> list[dict[str, Any]]:
    return measured_points(_store(url), _sweep(url, run_id, revisions[0]), Setting.model_validate_json(setting))
