"""New run: what to load, what was loaded, how to quantize it, what that costs, start."""

import streamlit as st

from qdash.spec.sweep import Source, SweepSpec
from qdash.ui import progress, start, state
from qdash.ui.new_run.cost import show_cost, show_same_runs
from qdash.ui.new_run.first_look import show_first_look
from qdash.ui.new_run.settings_form import settings_form
from qdash.ui.new_run.source_form import known_facts, last_look, source_form
from qdash.ui.new_run.starting_values import checked_or_none, starting_values

st.title("What should be measured?")
store = state.store()
first = starting_values(store)
st.subheader("Model and data")
source_values = source_form(first)
source = checked_or_none(Source, source_values)
look = last_look(store, source) if source else None
looking = look is not None and not look.final
known = known_facts(store, source) if source else None


@st.fragment(run_every=progress.POLL_S if looking else None)
def first_look() -> None:
    """What was loaded; redrawn until the look is done."""
    if source is None:
        return
    seen = last_look(store, source)
    if looking and seen is not None and seen.final:
        st.rerun()
    label = "Look again" if known and known.kind == "probe" else "Look at it"
    if st.button(label, icon=":material/visibility:", key="new_look", disabled=looking) and start.attempted(
        lambda: start.start_probe(store, source)
    ):
        st.rerun()
    if seen is not None and (not seen.final or known is None):
        progress.see_that_a_worker_runs(seen)
        progress.show_progress(seen)
        progress.show_trouble(seen)
    if known is not None:
        show_first_look(known)


first_look()
st.subheader("Settings")
values = settings_form(first)
spec = checked_or_none(SweepSpec, source_values | values) if source else None
if spec is not None:
    show_cost(spec, state.facts(known) if known else None)
    show_same_runs(store, spec)
title = st.text_input("Title", key="new_title", placeholder="optional: a name by which you will find it again")
if st.button("Start", icon=":material/play_arrow:", type="primary", key="new_start", disabled=spec is None) and spec:
    started: list[str] = []
    if start.attempted(lambda: started.append(start.start_sweep(store, spec, title.strip()))):
        state.select_run(started[0])
        st.switch_page("pages/live.py", query_params={"run": started[0]})
