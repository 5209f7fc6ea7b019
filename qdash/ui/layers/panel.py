"""One layer on the page: what it is, which part of it does the damage, and what its values look like."""

from collections.abc import Sequence

import streamlit as st

from qdash.answers.stored import Sweep
from qdash.calibration.summaries import LayerSummary
from qdash.charts.attribution import attribution_figure, attribution_frame
from qdash.charts.before_after import before_key, change_text
from qdash.charts.layer_types import layer_type
from qdash.results.diagnosis import diagnosis, weights_share
from qdash.results.rows import LayerRow
from qdash.results.size import saved_mb
from qdash.results.text import decibels, interval, large, megabytes, plural
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.layers.tensor import calibration_of, inputs_of, show_tensor
from qdash.ui.layers.view import LayerView
from qdash.ui.words import escaped, help_text

NO_FILE = (
    "The calibration file of this run (`{}`) is not here or can't be read, so there are no histograms. A new run with "
    "the same settings writes it again."
)


def show_layer(view: LayerView, layer: str) -> None:
    """The panel of one layer."""
    row = next(row for row in view.layers if row.layer == layer)
    summary = calibration_of(view.sweep, layer)
    _choose(view.layers, layer)
    st.markdown(escaped(" ".join(diagnosis(row, _under_other_settings(view.sweep, row), summary, view.setting))))
    _show_facts(view, row)
    part = _choose_part(summary)
    if part == "Noise":
        show_chart(attribution_figure(attribution_frame(row), weights_share(row)), "layer_attribution")
    elif summary is not None:
        show_tensor(view.sweep, view.setting, layer, part, summary)
    if summary is None:
        st.info(NO_FILE.format(view.sweep.facts.calibration_file or "none"), icon=":material/folder_off:")


def _choose(rows: Sequence[LayerRow], layer: str) -> None:
    st.session_state["layer_chosen"] = layer
    st.selectbox(
        "Layer",
        [row.layer for row in rows],
        key="layer_chosen",
        on_change=lambda: state.select_layer(st.session_state["layer_chosen"]),
        help="Most sensitive first. A click on a mark in any picture selects its layer here.",
    )


def _show_facts(view: LayerView, row: LayerRow) -> None:
    facts = view.sweep.facts.by_layer[row.layer]
    shapes = ", ".join(f"{name} {'×'.join(map(str, weight.shape))}" for name, weight in facts.weights.items())
    calls = "" if facts.calls == 1 else f" · called {plural(facts.calls, 'time')} per pass"
    st.caption(
        f"{layer_type(facts)} · {escaped(shapes)} · {large(facts.params)} parameters · "
        f"{large(facts.macs, 'MACs')} per sample{calls} · FP32 costs {_size(saved_mb(facts, view.setting))} more"
        + (f"  \n{escaped(facts.note)}" if facts.note else "")
    )
    terms = ["model_output_kl", "sqnr_db", "metric_delta"]
    if row.ptq_model_output_sqnr_db is not None:
        terms.append("before_training")
    st.markdown(
        f"Model output{_model_output(view, row)}  \n"
        f"Own output **{decibels(row.layer_output_sqnr_db)}**, weights **{decibels(row.weight_sqnr_db)}**, "
        f"input **{decibels(row.input_sqnr_db)}**; {plural(row.samples, 'sample')}",
        help="\n\n".join(map(help_text, terms)),
    )


def _model_output(view: LayerView, row: LayerRow) -> str:
    """KL, SQNR and the metric; of a fine-tuned layer from before to after."""
    quantities = [view.quantity(key) for key in ("model_output_kl", "model_output_sqnr_db", "metric_delta")]
    kl, sqnr, delta = (change_text(row.number(before_key(by)), row.number(by.key), by) for by in quantities)
    said = f"KL **{kl}**, SQNR **{sqnr}**"
    if row.metric_delta is not None:
        ends = interval(row.metric_delta_low, row.metric_delta_high, quantities[-1].written)
        said += f", {view.metric.words} change **{delta}** (95 % interval {ends})"
    trained = row.ptq_model_output_sqnr_db is not None
    estimated = " (estimated)" if row.estimated else ""
    return f", quantized only → fine-tuned: {said}" if trained else f"{estimated}: {said}"


def _size(mb: float) -> str:
    return megabytes(mb) if mb >= 0.1 else f"{mb * 1e3:.3g} kB"


def _under_other_settings(sweep: Sweep, row: LayerRow) -> list[LayerRow]:
    """Of a finished matrix; a running one is not computed as a whole at every redraw."""
    if len(sweep.spec.settings()) < 2 or not sweep.run.final:
        return []
    layers = state.result(sweep.run.id).layers
    return [other for other in layers if other.layer == row.layer and other.settings.key != row.settings.key]


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
