"""Runs: the history, with a link to every run."""

import streamlit as st

from qdash.ui import progress, state
from qdash.ui.guards import NEW_RUN, OVERVIEW, stop
from qdash.ui.runs.actions import show_actions
from qdash.ui.runs.table import COLUMN_CONFIG, matching, picked, runs_frame, summary

st.title("What has been run?")
store = state.store()
watching = bool(progress.unfinished(store))


@st.fragment(run_every=5 * progress.POLL_S if watching else None)
def history() -> None:
    """Redrawn while a run is unfinished."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Filter",
            key="runs_filter",
            bind="query-params",
            placeholder="words in any column, such as: vit static done",
        )
        everything = st.toggle("Measurements and first looks too", key="runs_all")
    runs = store.runs.list(kind=None if everything else "sweep", limit=None)
    if not runs:
        stop(
            "There is no run yet.",
            "Start one, or open the overview: it computes the demo's answer.",
            [NEW_RUN, OVERVIEW],
        )
    st.write(summary(runs))
    frame = matching(runs_frame(runs), text)
    if frame.empty:
        st.info(f"No run matches {text!r}. Take a word away.", icon=":material/filter_alt_off:")
        return
    st.caption("Select a row to open, resume, clone or delete its run.")
    table = st.dataframe(
        frame,
        column_config=COLUMN_CONFIG,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=min(420, 38 + 35 * len(frame)),
        key="runs_table",
    )
    run_id = picked(frame, table["selection"]["rows"], state.current_run_id())
    if run_id is not None:
        show_actions(store.runs.get(run_id))


history()
