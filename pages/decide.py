"""Decide: which layers stay in FP32, and what that costs."""

import streamlit as st

from qdash.ui import progress, state
from qdash.ui.decide.answer import choose_limits, recommended, show_answer, show_curve
from qdash.ui.decide.compare import show_comparison
from qdash.ui.decide.fine_tune import show_fine_tune
from qdash.ui.decide.keep_set import own_set, show_set
from qdash.ui.guards import sweep_or_stop
from qdash.ui.view import look_at

st.title("Which layers stay in FP32?")
sweep = sweep_or_stop()
store = state.store()
going_on = progress.on_its_way(store, sweep.run)


@st.fragment(run_every=progress.POLL_S if going_on else None)
def watch(run_id: str) -> None:
    """The sweep or measurements under way; the page is drawn anew when they are done."""
    run = store.runs.get(run_id)
    if going_on and not progress.on_its_way(store, run):
        st.rerun()
    if not run.final:
        progress.show_progress(run)
    for part in progress.measurements_of(store, run)[:1]:
        if not part.final:
            progress.see_that_a_worker_runs(part)
            progress.show_progress(part)
        progress.show_trouble(part)


limits = choose_limits(sweep)
view = look_at(sweep)
found = recommended(view, limits)
show_answer(view, found, going_on and not found.frontier)
if not sweep.run.final:
    watch(sweep.run.id)
yours = own_set([row.layer for row in view.layers], found.keep_fp32, store.pins.of(sweep.run.id))
curve, own = st.columns([11, 9], gap="medium")
with curve:
    show_curve(view, found, limits, yours)
with own, st.container(border=True, key="own_set"):
    show_set(view, found, yours)
    if sweep.run.final:
        watch(sweep.run.id)
show_comparison(view, found, yours)
show_fine_tune(view, sorted(yours))
