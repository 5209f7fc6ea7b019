"""Overview: the answer of the current run, what is being computed, and what to do next."""

import streamlit as st

from qdash.ui import progress, state
from qdash.ui.layers.controls import choose_setting
from qdash.ui.links import go_button
from qdash.ui.overview.demo_run import ensure_demo
from qdash.ui.pictures import show_most_sensitive
from qdash.ui.runs.table import show_recent
from qdash.ui.start import attempted
from qdash.ui.verdict import show_heading, show_key_numbers, show_verdict
from qdash.ui.view import look_at

store = state.store()
st.title("Which layers should stay in FP32?")
if not store.runs.list(limit=1):
    attempted(lambda: ensure_demo(store))
current = state.current_sweep_run()
if current is None:
    st.info("There is no sweep yet. Start one to get the answer for your model.", icon=":material/add_circle:")
    go_button("New run", "pages/new_run.py", icon=":material/add_circle:", primary=True)
    show_recent(store)
    st.stop()
watching = progress.on_its_way(store, current) or bool(progress.unfinished(store))


@st.fragment(run_every=progress.POLL_S if watching else None)
def answer(run_id: str) -> None:
    """Redrawn while something about it still changes."""
    run = store.runs.get(run_id)
    jobs, coming = progress.unfinished(store), progress.on_its_way(store, run)
    if watching and not coming and not jobs:
        st.rerun()
    show_heading(run)
    progress.show_trouble(run)
    if run.facts is None:
        st.info(
            "The model is being loaded and calibrated. The first layers appear in a moment.",
            icon=":material/hourglass_top:",
        )
    else:
        sweep = state.load(run.id)
        choose_setting(sweep)
        view = look_at(sweep)
        show_verdict(view, going_on=coming)
        picture, numbers = st.columns([2, 1])
        with picture:
            show_most_sensitive(view, key="overview_ranking")
        with numbers:
            show_key_numbers(view)
    progress.show_running(jobs)


answer(current.id)
with st.container(horizontal=True):
    go_button("Look at the layers", "pages/layers.py", icon=":material/stacked_bar_chart:", primary=True)
    go_button("Decide what to keep", "pages/decide.py", icon=":material/balance:")
    go_button("New run", "pages/new_run.py", icon=":material/add_circle:")
show_recent(store)
