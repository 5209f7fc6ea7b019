"""Runs as a table and as links."""

import pandas as pd
import streamlit as st

from qdash.results.text import duration, plural
from qdash.store.runs import Run
from qdash.store.store import Store
from qdash.ui import progress, state
from qdash.ui.describe import KINDS, STATUS, run_title, settings_text, share_done, source_name, when
from qdash.ui.go import go_button
from qdash.ui.start import attempted, delete_with_measurements
from qdash.ui.words import help_text

RECENT = 5
COLUMNS = ("title", "model", "data", "kind", "settings", "status", "progress", "samples", "created", "seconds", "run")
COLUMN_CONFIG = {
    "title": st.column_config.TextColumn("Run", width="large"),
    "model": "Model",
    "data": "Data",
    "kind": None,
    "settings": None,
    "status": st.column_config.TextColumn("Status", help=help_text("status")),
    "progress": st.column_config.ProgressColumn("Work done", format="%.0f %%", min_value=0, max_value=100),
    "samples": st.column_config.NumberColumn("Samples", help=help_text("samples"), format="localized"),
    "created": st.column_config.DatetimeColumn("Created", format="distance"),
    "seconds": st.column_config.TextColumn("Computing time"),
    "run": st.column_config.TextColumn("Id"),
}


def runs_frame(runs: list[Run]) -> pd.DataFrame:
    """One row per run with COLUMNS; `progress` in %, `seconds` of computing, `created` as a moment (UTC)."""
    return pd.DataFrame([_row(run) for run in runs], columns=list(COLUMNS))


def matching(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """The rows that hold every word of `text` somewhere, in any case."""
    if frame.empty:
        return frame
    everything = frame.astype(str).agg(" ".join, axis=1).str.lower()
    wanted = [everything.str.contains(word, regex=False) for word in text.lower().split()]
    return frame[pd.concat(wanted, axis=1).all(axis=1)] if wanted else frame


def show_recent(store: Store) -> None:
    """The newest sweeps as links that open them here."""
    runs = store.runs(kind="sweep", limit=RECENT)
    if not runs:
        return
    st.subheader("Recent runs")
    for run in runs:
        icon, _, word = STATUS[run.status]
        label = f"{run_title(run)} · {word.lower()}, {when(run.created)}"
        st.page_link("pages/overview.py", label=label, icon=icon, query_params={"run": run.id})
    st.page_link("pages/runs.py", label="All runs", icon=":material/history:")


def summary(runs: list[Run]) -> str:
    """How many, in one line."""
    by_status = [f"{n} {s}" for s in STATUS if (n := sum(run.status == s for run in runs))]
    return f"{plural(len(runs), 'run')}: {', '.join(by_status)}"


def _row(run: Run) -> tuple[object, ...]:
    samples = (run.facts or {}).get("samples", {}).get("evaluation")
    return (
        run_title(run),
        source_name(run.model),
        source_name(run.data),
        KINDS.get(run.kind, run.kind),
        settings_text(run),
        STATUS[run.status][2],
        100 * share_done(run),
        samples,
        run.created,
        duration(run.cost.get("wall_s")),
        run.id,
    )


def picked(frame: pd.DataFrame, rows: list[int], current: str | None) -> str | None:
    """The run of the selected row, else the current one if the table shows it."""
    ids = frame["run"].tolist()
    if rows and rows[0] < len(ids):
        return str(ids[rows[0]])
    return current if current in ids else None


def show_actions(store: Store, run: Run) -> None:
    """What can be done with one run."""
    with st.container(border=True, key="runs_actions"):
        st.markdown(f"**{run_title(run)}** · {STATUS[run.status][2].lower()} · run {run.id}")
        progress.show_trouble(run)
        with st.container(horizontal=True):
            if run.kind == "sweep":
                go_button("Open", "pages/overview.py", icon=":material/open_in_new:", primary=True, run=run.id)
            go_button("Watch", "pages/live.py", icon=":material/monitoring:", run=run.id)
            if run.kind == "sweep" and st.button("Use its settings", icon=":material/content_copy:", key="runs_clone"):
                st.switch_page("pages/new_run.py", query_params={"from": run.id})
            progress.show_controls(run)
            if st.button("Delete", icon=":material/delete:", key="runs_delete", disabled=run.status == "running"):
                confirm_delete(run.id, run_title(run))


@st.dialog("Delete this run?")
def confirm_delete(run_id: str, title: str) -> None:
    """Asks first; a deleted run can't be brought back."""
    st.write(f"**{title}** with its results and calibration is gone for good. So are the measurements made from it.")
    with st.container(horizontal=True):
        pressed = st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete")
        if pressed and attempted(lambda: delete_with_measurements(state.store(), run_id), "Deleted."):
            state.forget_run(run_id)
            st.rerun()
        if st.button("Keep it", key="confirm_keep"):
            st.rerun()
