"""Runs as a table and as links."""

import pandas as pd
import streamlit as st

from qdash.results.text import duration, plural
from qdash.store.runs import Run
from qdash.store.store import Store
from qdash.ui.describe import KINDS, STATUS, run_title, settings_text, share_done, source_name, when
from qdash.ui.words import help_text

RECENT = 5
COLUMNS = ("status", "model", "settings", "title", "kind", "data", "samples", "progress", "created", "seconds", "run")
COLUMN_CONFIG = {
    "status": st.column_config.TextColumn("Status", help=help_text("status")),
    "model": "Model",
    "settings": st.column_config.TextColumn("Settings", width="large"),
    "title": "Title",
    "kind": "Kind",
    "data": "Data",
    "samples": st.column_config.NumberColumn("Samples", help=help_text("samples"), format="localized"),
    "progress": st.column_config.ProgressColumn("Work done", format="%.0f %%", min_value=0, max_value=100),
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
    everything = frame.apply(lambda row: " ".join(map(str, row)).lower(), axis=1)
    wanted = [everything.str.contains(word, regex=False) for word in text.lower().split()]
    return frame[pd.concat(wanted, axis=1).all(axis=1)] if wanted else frame


def show_recent(store: Store) -> None:
    """The newest sweeps as links that open them here."""
    runs = store.runs.list(kind="sweep", limit=RECENT)
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
        STATUS[run.status][2],
        source_name(run.model),
        settings_text(run),
        run.title,
        KINDS.get(run.kind, run.kind),
        source_name(run.data),
        samples,
        100 * share_done(run),
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
