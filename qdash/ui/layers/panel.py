"""One layer on the page: what it is, which part of it does the damage, and what its values look like."""

from typing import Any

import streamlit as st

from qdash.answers.stored import Sweep
from qdash.calibration.summaries import LayerSummary
from qdash.charts.attribution import attribution_figure, attribution_frame
from qdash.charts.before_after import before_key, change_text
from qdash.charts.layer_types import layer_type
from qdash.results.diagnosis import diagnosis, weights_share
from qdash.results.size import size_mb
from qdash.results.text import decibels, interval, large, megabytes, plural
from qdash.spec import Setting
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.layers.controls import run_quantity
from qdash.ui.layers.tensor import calibration_of, inputs_of, show_tensor
from qdash.ui.words import escaped, help_text

NO_FILE = (
    "The calibration file of this run (`{}`) is not here or can't be read, so there are no histograms. A new run with "
    "the same settings writes it again."
)


def show_layer(sweep: Sweep, rows: list[dict[str, Any]], layer: str) -> None:
    """The panel of one layer. rows: of the selected setting."""
    setting = state.selected_setting(sweep)
    row = next(row for row in rows if row["layer"] == layer)
    others = _under_other_settings(sweep, row)
    summary = calibration_of(sweep, layer)
    _choose(rows, layer)
    st.markdown(escaped(" ".join(diagnosis(row, others, summary, setting))))
    _show_facts(sweep, setting, layer, row)
    part = _choose_part(summary)
    if part == "Noise":
        show_chart(attribution_figure(attribution_frame(row), weights_share(row)), "layer_attribution")
    elif summary is not None:
        show_tensor(sweep, setting, layer, part, summary)
    if summary is None:
        st.info(NO_FILE.format(sweep.facts.get("calibration_file", "none")), icon=":material/folder_off:")


def _choose(rows: list[dict[str, Any]], layer: str) -> None:
    st.session_state["layer_chosen"] = layer
    st.selectbox(
        "Layer",
        [row["layer"] for row in rows],
        key="layer_chosen",
        on_change=lambda: state.select_layer(st.session_state["layer_chosen"]),
        help="Most sensitive first. A click on a mark in any picture selects its layer here.",
    )


def _show_facts(sweep: Sweep, setting: Setting, layer: str, row: dict[str, Any]) -> None:
    facts = next(entry for entry in sweep.facts["layers"] if entry["layer"] == layer)
    shapes = ", ".join(f"{name} {'×'.join(map(str, w['shape']))}" for name, w in facts["weights"].items())
    saved = -size_mb({"params": 0, "layers": [facts]}, setting)
    calls = "" if facts["calls"] == 1 else f" · called {plural(facts['calls'], 'time')} per pass"
    st.caption(
        f"{layer_type(facts)} · {escaped(shapes)} · {large(facts['params'])} parameters · "
        f"{large(facts['macs'], 'MACs')} per sample{calls} · FP32 costs {_size(saved)} more"
        + (f"  \n{escaped(facts['note'])}" if facts["note"] else "")
    )
    terms = ["model_output_kl", "sqnr_db", "metric_delta"]
    if row.get("ptq_model_output_sqnr_db") is not None:
        terms.append("before_training")
    st.markdown(
        f"Model output{_model_output(sweep, row)}  \n"
        f"Own output **{decibels(row['layer_output_sqnr_db'])}**, weights **{decibels(row['weight_sqnr_db'])}**, "
        f"input **{decibels(row['input_sqnr_db'])}**; {plural(row['samples'], 'sample')}",
        help="\n\n".join(map(help_text, terms)),
    )


def _model_output(sweep: Sweep, row: dict[str, Any]) -> str:
    """KL, SQNR and the metric; of a fine-tuned layer from before to after."""
    metric = sweep.facts["metric"]
    by = {key: run_quantity(sweep, key) for key in ("model_output_kl", "model_output_sqnr_db", "metric_delta")}
    kl, sqnr, delta = (change_text(row.get(before_key(one)), row[key], one) for key, one in by.items())
    said = f"KL **{kl}**, SQNR **{sqnr}**"
    if row["metric_delta"] is not None:
        ends = interval(row["metric_delta_low"], row["metric_delta_high"], by["metric_delta"].written)
        said += f", {metric['name'].replace('_', ' ')} change **{delta}** (95 % interval {ends})"
    trained = row.get("ptq_model_output_sqnr_db") is not None
    estimated = " (estimated)" if row.get("estimated") else ""
    return f", quantized only → fine-tuned: {said}" if trained else f"{estimated}: {said}"


def _size(mb: float) -> str:
    return megabytes(mb) if mb >= 0.1 else f"{mb * 1e3:.3g} kB"


def _under_other_settings(sweep: Sweep, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a finished matrix; a running one is not computed as a whole at every redraw."""
    if len(sweep.spec.settings()) < 2 or not sweep.run.final:
        return []
    return [
        other
        for other in state.result(sweep.run.id)["layers"]
        if other["layer"] == row["layer"] and other["settings"] != row["settings"]
    ]


def _choose_part(summary: LayerSummary | None) -> str:
    parts = ["Noise"] if summary is None else ["Noise", *summary.weights, *inputs_of(summary)]
    chosen = st.segmented_control(
        "Look at",
        parts,
        default=parts[0],
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or parts[0]
