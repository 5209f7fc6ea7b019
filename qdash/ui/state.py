"""What the person looks at: run, layer and setting live in the URL, results are cached by the run's revision."""

from collections.abc import Sequence

import streamlit as st

from qdash import home
from qdash.answers.stored import Sweep, latest_sweep, load_sweep, measured_points
from qdash.errors import InputError
from qdash.jobs.steps import settle_abandoned
from qdash.records.facts import RunFacts, read_facts
from qdash.records.names import whole
from qdash.results.frontier import Limits, Point
from qdash.results.rows import LayerRow
from qdash.results.sweep import SettingResult, SweepResult, setting_result
from qdash.spec.setting import Setting
from qdash.store.runs import Run
from qdash.store.store import Store

SETTLED_S = 20.0
RUN, LAYER, SETTING, DROP = "run", "layer", "setting", "drop"


def store() -> Store:
    """The store of this installation, opened once per process and shared by all sessions.

    Runs whose process is gone are settled in it before it is looked at, now and then.
    """
    settle(home.store_url())
    return _store(home.store_url())


@st.cache_data(show_spinner=False, ttl=SETTLED_S)
def settle(url: str) -> None:
    """Marks runs as interrupted that nobody computes any more; does nothing when called again within SETTLED_S."""
    settle_abandoned(_store(url))


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


def result(run_id: str) -> SweepResult:
    """Everything under all settings, shared and read-only."""
    return _result(home.store_url(), run_id, store().runs.revision(run_id))


def answer(sweep: Sweep, setting: Setting) -> SettingResult:
    """What was found under one setting, shared and read-only: a fraction of the work, as it is redrawn every second."""
    return _answer(home.store_url(), sweep.run.id, sweep.run.revision, setting.model_dump_json())


def rows_of(run: Run, setting: Setting) -> Sequence[LayerRow]:
    """The rows of any sweep under one of its settings, shared and read-only; empty before it has found anything."""
    if run.facts is None:
        return []
    return _answer(home.store_url(), run.id, run.revision, setting.model_dump_json()).layers


def facts(run: Run) -> RunFacts | None:
    """Of any run, shared and read-only; None before it has found anything."""
    return None if run.facts is None else _facts(home.store_url(), run.id, run.revision)


def points(run_id: str, setting: Setting) -> Sequence[Point]:
    """The measured curve of a sweep under a setting, shared and read-only; empty while nothing is measured."""
    revisions = tuple((run.id, run.revision) for run in store().runs.list(kind="measure", parent=run_id, limit=None))
    return _points(home.store_url(), run_id, setting.model_dump_json(), store().runs.revision(run_id), revisions)


def selected_layer(sweep: Sweep | None = None) -> str | None:
    """The layer of the URL or the one selected before; with `sweep` if that run has it, or its first part."""
    layer = _recalled(LAYER)
    if sweep is not None and layer not in sweep.facts.by_layer:
        layer = next((name for name in sweep.facts.by_layer if whole(name) == layer), None)
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
def _result(url: str, run_id: str, revision: int) -> SweepResult:
    return _sweep(url, run_id, revision).result()


@st.cache_resource(show_spinner=False, max_entries=32)
def _answer(url: str, run_id: str, revision: int, setting: str) -> SettingResult:
    sweep = _sweep(url, run_id, revision)
    return setting_result(sweep.spec, Setting.model_validate_json(setting), sweep.facts, sweep.tallies)


@st.cache_resource(show_spinner=False, max_entries=6)
def _facts(url: str, run_id: str, revision: int) -> RunFacts:
    return read_facts(_store(url).runs.get(run_id).facts or {})


@st.cache_resource(show_spinner=False, max_entries=12)
def _points(
    url: str, run_id: str, setting: str, revision: int, measurements: tuple[tuple[str, int], ...]
) -> Sequence[Point]:
    return measured_points(_store(url), _sweep(url, run_id, revision), Setting.model_validate_json(setting))
