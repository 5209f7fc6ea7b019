"""What a page needs before it can show anything, and what to do where it is missing."""

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from qdash.answers.stored import Sweep
from qdash.ui import state
from qdash.ui.describe import run_title

Action = tuple[str, str, str]
"""Label, page, icon."""

NEW_RUN: Action = ("Start a new run", "pages/new_run.py", ":material/add_circle:")
LIVE: Action = ("Watch it live", "pages/live.py", ":material/monitoring:")
OVERVIEW: Action = ("Go to the overview", "pages/overview.py", ":material/home:")


def sweep_or_stop() -> Sweep:
    """The current sweep as soon as it has found something; else the page ends with what to do next."""
    run = state.current_sweep_run()
    if run is None:
        stop(
            "There is no sweep yet.",
            "Start one, or open the overview: it computes the demo's answer.",
            [NEW_RUN, OVERVIEW],
        )
    if run.facts is None:
        reason = {
            "queued": "It waits for the worker.",
            "running": "The model is being loaded and calibrated.",
            "failed": f"It failed: {run.error}",
        }.get(run.status, f"It was {run.status} before it found anything; resume it on the live page.")
        stop(f"{run_title(run)} has no results yet.", reason, [LIVE, NEW_RUN])
    return state.load(run.id)


def stop(what: str, why: str, actions: Sequence[Action]) -> NoReturn:
    """An empty state: what is missing, why, and where to go; ends the page."""
    with st.container(border=True, key="empty_state"):
        st.markdown(f"**{what}**")
        st.write(why)
        with st.container(horizontal=True):
            for label, page, icon in actions:
                st.page_link(page, label=label, icon=icon, query_params=state.link())
    st.stop()
