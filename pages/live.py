"""Live: how far a run is, what it has found so far, and the buttons that stop it or let it go on."""

import streamlit as st

from qdash.ui import progress, state
from qdash.ui.guards import NEW_RUN, OVERVIEW, stop
from qdash.ui.layers.controls import choose_setting
from qdash.ui.links import go_button
from qdash.ui.pictures import show_most_sensitive
from qdash.ui.verdict import show_heading, show_verdict
from qdash.ui.view import look_at

st.title("How far is this run?")
store, current = state.store(), state.current_run()
if current is None:
    stop(
        "There is no run to watch.",
        "Start one, or open the overview: it computes the demo's answer.",
        [NEW_RUN, OVERVIEW],
    )
watching = progress.on_its_way(store, current)


@st.fragment(run_every=progress.POLL_S if watching else None)
def watch(run_id: str) -> None:
    """Redrawn every second until nothing more will come."""
    run = store.runs.get(run_id)
    sweep_run = store.runs.get(run.parent) if run.kind == "measure" and run.parent else run
    coming = progress.on_its_way(store, run)
    if watching and not coming:
        st.rerun()
    show_heading(run)
    for part in (run, *reversed(progress.measurements_of(store, run))):
        progress.see_that_a_worker_runs(part)
        progress.show_progress(part)
        progress.show_trouble(part)
        progress.show_controls(part)
    if sweep_run.kind == "sweep" and sweep_run.facts is not None:
        sweep = state.load(sweep_run.id)
        choose_setting(sweep)
        view = look_at(sweep)
        show_verdict(view, going_on=coming)
        show_most_sensitive(view, key="live_ranking")


watch(current.id)
if current.kind == "probe":
    go_button("Back to the new run", "pages/new_run.py", icon=":material/add_circle:", primary=True)
elif current.facts is not None and not watching:
    with st.container(horizontal=True):
        go_button("Look at the layers", "pages/layers.py", icon=":material/stacked_bar_chart:", primary=True)
        go_button("Decide what to keep", "pages/decide.py", icon=":material/balance:")
