"""The frame around every page: navigation, the chooser of the current run, the worker, the version."""

from pathlib import Path
from typing import Any

import streamlit as st

import qdash
from qdash import home
from qdash.errors import QdashError
from qdash.jobs.client import worker_state
from qdash.store.runs import Run
from qdash.ui import state
from qdash.ui.describe import STATUS, short_title, when
from qdash.ui.progress import unfinished
from qdash.ui.words import escaped

ICON = Path(__file__).with_name("icon.png")
SHOWN_RUNS = 50
POLL_S = 3.0
# The answer has to be above the fold of a laptop; the toolbar needs less room than is kept for it.
CLOSER = "<style>[data-testid=stMainBlockContainer] {padding-top: 4rem; padding-bottom: 3rem}</style>"
SECTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Answer": (
        ("overview", "Overview", ":material/home:"),
        ("layers", "Layers", ":material/stacked_bar_chart:"),
        ("decide", "Decide", ":material/balance:"),
    ),
    "Runs": (
        ("new_run", "New run", ":material/add_circle:"),
        ("live", "Live", ":material/monitoring:"),
        ("runs", "Runs", ":material/history:"),
    ),
}


def pages() -> dict[str, list[Any]]:
    """The pages by section; the files are scripts beside `app.py`."""
    return {
        section: [
            st.Page(f"pages/{name}.py", title=title, icon=icon, default=name == "overview")
            for name, title, icon in entries
        ]
        for section, entries in SECTIONS.items()
    }


def render() -> None:
    """One visit: the frame, then the page."""
    # First, or the browser would fetch the page's icon as its favicon from a server of Google's.
    st.set_page_config(page_title="qdash", page_icon=ICON, layout="wide")
    page = st.navigation(pages())
    st.set_page_config(page_title=f"{page.title} · qdash")
    st.logo(str(ICON), size="large")
    st.html(CLOSER)
    run = _current_or_stop()
    with st.sidebar:
        _choose_run(run)
        changing = bool(unfinished(state.store()))
        st.fragment(_show_state, run_every=POLL_S if changing else None)(run.id if run else None)
        st.caption(f"qdash {qdash.__version__}")
    try:
        page.run()
    except QdashError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        st.page_link("pages/runs.py", label="See all runs", icon=":material/history:")


def _current_or_stop() -> Run | None:
    try:
        return state.current_sweep_run()
    except QdashError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        st.query_params.clear()
        st.page_link("pages/runs.py", label="See all runs", icon=":material/history:")
        st.stop()


def _choose_run(current: Run | None) -> None:
    runs = {run.id: run for run in state.store().runs.list(kind="sweep", limit=SHOWN_RUNS)}
    if current is None or not runs:
        return
    runs.setdefault(current.id, current)
    st.session_state["frame_run"] = current.id
    st.selectbox(
        "Run",
        list(runs),
        format_func=lambda run_id: f"{short_title(runs[run_id])} · {when(runs[run_id].created)}",
        key="frame_run",
        on_change=lambda: state.select_run(st.session_state["frame_run"]),
        help="Every page shows this run. The address of the page holds it: copy it to share what you see.",
    )


def _show_state(run_id: str | None) -> None:
    """Of the run and of the worker."""
    store = state.store()
    if run_id is not None and store.runs.revision(run_id):
        icon, color, word = STATUS[store.runs.get(run_id).status]
        st.badge(word, icon=icon, color=color)  # type: ignore[arg-type]
    worker = worker_state(home.store_url())
    if worker.alive:
        st.caption(":material/memory: Worker ready")
    else:
        st.caption(":material/power_off: No worker; one starts with the next run")
