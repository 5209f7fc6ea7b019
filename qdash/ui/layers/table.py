"""All numbers of all layers as a table, and as CSV."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from qdash.records.facts import MetricFacts
from qdash.results.plain import as_dict
from qdash.results.rows import LayerRow
from qdash.ui import state
from qdash.ui.layers.view import LayerView
from qdash.ui.words import help_text

NUMBERS = {
    "model_output_kl": ("Model-output KL, nats", "%.3g"),
    "ptq_model_output_kl": ("KL before the fine-tune, nats", "%.3g"),
    "model_output_sqnr_db": ("Model-output SQNR, dB", "%.1f"),
    "ptq_model_output_sqnr_db": ("SQNR before the fine-tune, dB", "%.1f"),
    "metric_delta": ("Metric change", "%+.2f"),
    "metric_delta_low": ("from", "%+.2f"),
    "metric_delta_high": ("to", "%+.2f"),
    "ptq_metric_delta": ("Metric change before the fine-tune", "%+.2f"),
    "samples_to_decide": ("Samples to decide", "localized"),
    "loss_change": ("Loss change, nats", "%+.2g"),
    "flipped": ("Flipped", "percent"),
    "layer_output_sqnr_db": ("Layer-output SQNR, dB", "%.1f"),
    "weight_sqnr_db": ("Weight SQNR, dB", "%.1f"),
    "input_sqnr_db": ("Input SQNR, dB", "%.1f"),
    "cumulative_sqnr_db": ("Cumulative SQNR, dB", "%.1f"),
    "params": ("Parameters", "localized"),
    "macs": ("MACs per sample", "localized"),
    "samples": ("Samples", "localized"),
}

STATUS = {"ok": "measured", "non_finite": "NaN or Inf", "pending": "not yet", "no_path": "no path to the output"}


def show_table(view: LayerView) -> None:
    """Below the pictures: one row per layer; a selected row selects its layer."""
    st.subheader("All numbers")
    rows = sorted(view.rows, key=lambda row: row.order) if view.by_network else view.rows
    frame = table_frame(rows, view.types)
    st.dataframe(
        frame,
        column_config=_columns(view.metric, view.estimated),
        hide_index=True,
        height=min(420, 40 + 35 * max(1, len(frame))),
        on_select=lambda: _picked(frame),
        selection_mode="single-row",
        key="layers_table",
    )
    st.download_button(
        "Download as CSV",
        lambda: csv_text(state.result(view.sweep.run.id).layers),
        file_name=f"qdash-{view.sweep.run.id}-layers.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        help="Every layer under every setting, every number with its interval.",
    )


def table_frame(rows: Sequence[LayerRow], types: Mapping[str, str]) -> pd.DataFrame:
    """layer, type, status where not every layer is measured, decision where the run stopped on its own, and the columns
    of NUMBERS that any row has."""
    decided = ["decision"] if any(row.decision for row in rows) else []
    present = decided + [key for key in NUMBERS if any(row.number(key) is not None for row in rows)]
    entries = [
        (row.layer, types[row.layer], STATUS[row.status], *(getattr(row, name) for name in present)) for row in rows
    ]
    frame = pd.DataFrame(entries, columns=["layer", "type", "status", *present])
    return frame.drop(columns="status") if (frame["status"] == STATUS["ok"]).all() else frame


def csv_text(rows: Sequence[LayerRow]) -> str:
    """All rows with a column for each part of the setting."""
    flat = [{k: v for k, v in as_dict(row).items() if k != "settings"} | row.settings.described() for row in rows]
    return str(pd.DataFrame(flat).to_csv(index=False))


def _picked(frame: pd.DataFrame) -> None:
    selected = st.session_state["layers_table"]["selection"]["rows"]
    if selected and selected[0] < len(frame):
        state.select_layer(str(frame["layer"].iloc[selected[0]]))


def _columns(metric: MetricFacts, estimated: bool) -> dict[str, Any]:
    unit = metric.difference_unit
    config: dict[str, Any] = {
        "layer": st.column_config.TextColumn("Layer", pinned=True),
        "type": st.column_config.TextColumn("Type"),
        "status": st.column_config.TextColumn("Status"),
        "decision": st.column_config.TextColumn("Decision", help=help_text("until_decided")),
    }
    for key, (label, format) in NUMBERS.items():
        if key.endswith("metric_delta"):
            label = label.replace("Metric", metric.words.capitalize()) + (unit and f", {unit}")
        if estimated:
            label = label.replace("Model-output", "Estimated")
        term = "interval" if key.endswith(("_low", "_high")) else "before_training" if key.startswith("ptq_") else key
        config[key] = st.column_config.NumberColumn(label, format=format, help=help_text(term))
    return config
