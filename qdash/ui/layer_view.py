"""One layer on the page: what it is, which part of it does the damage, and what its values look like."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from qdash import home
from qdash.calibration import Calibration, LayerSummary, TensorSummary
from qdash.charts.attribution import attribution_figure, attribution_frame
from qdash.charts.channels import channels_figure, channels_frame
from qdash.charts.clipping import clipping_frame
from qdash.charts.histogram import histogram_figure, histogram_frame
from qdash.charts.layer_types import layer_type
from qdash.history import Sweep
from qdash.registry import family
from qdash.results.diagnosis import diagnosis, weights_share
from qdash.results.size import size_mb
from qdash.results.text import decibels, interval, large, megabytes, nats, plural, points
from qdash.spec import Setting
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.words import escaped, help_text

NO_FILE = (
    "The calibration file of this run (`{}`) is not here or can't be read, so there are no histograms. A new run with "
    "the same settings writes it again."
)


def show_layer(sweep: Sweep, rows: list[dict[str, Any]], layer: str) -> None:
    """The panel of one layer. rows: of the selected setting."""
    setting = state.selected_setting(sweep)
    row = next(row for row in rows if row["layer"] == layer)
    others = [
        r for r in state.result(sweep.run.id)["layers"] if r["layer"] == layer and r["settings"] != row["settings"]
    ]
    summary = calibration_of(sweep, layer)
    _choose(rows, layer)
    st.markdown(escaped(" ".join(diagnosis(row, others, summary, setting))))
    _show_facts(sweep, setting, layer, row)
    part = _choose_part(summary)
    if part == "Noise":
        show_chart(attribution_figure(attribution_frame(row), weights_share(row)), "layer_attribution")
    elif summary is not None:
        _show_tensor(sweep, setting, layer, part, summary)
    if summary is None:
        st.info(NO_FILE.format(sweep.facts.get("calibration_file", "none")), icon=":material/folder_off:")


def calibration_of(sweep: Sweep, layer: str) -> LayerSummary | None:
    """What calibration found out about a layer; None where its file is gone or can't be read."""
    path = home.artifacts() / str(sweep.facts.get("calibration_file"))
    try:
        return calibration_at(str(path)).layers.get(layer)
    except (OSError, ValueError, KeyError):  # gone, broken, or written by another version
        return None


@st.cache_resource(show_spinner=False, max_entries=4)
def calibration_at(path: str) -> Calibration:
    """Read once. Raises OSError, ValueError or KeyError where that can't be done."""
    return Calibration.load(Path(path))


@st.cache_data(show_spinner=False, max_entries=64)
def _ranges(path: str, layer: str, part: str, format: str, scheme: str, own: str) -> pd.DataFrame:
    summary = calibration_at(path).layers[layer]
    return clipping_frame(_tensor(summary, part), format, scheme, own)


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
    unit = sweep.facts["metric"]["difference_unit"]
    change = ""
    if row["metric_delta"] is not None:
        ends = interval(row["metric_delta_low"], row["metric_delta_high"], lambda value: points(value, unit))
        name = sweep.facts["metric"]["name"].replace("_", " ")
        change = f", {name} change **{points(row['metric_delta'], unit)}** (95 % interval {ends})"
    st.markdown(
        f"Model output: KL **{nats(row['model_output_kl'])}**, SQNR **{decibels(row['model_output_sqnr_db'])}**"
        f"{change}  \n"
        f"Own output **{decibels(row['layer_output_sqnr_db'])}**, weights **{decibels(row['weight_sqnr_db'])}**, "
        f"input **{decibels(row['input_sqnr_db'])}**; {plural(row['samples'], 'sample')}",
        help="\n\n".join(help_text(term) for term in ("model_output_kl", "sqnr_db", "metric_delta")),
    )


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
    parts = ["Noise"] if summary is None else ["Noise", *summary.weights, *_inputs(summary)]
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


def _tensor(summary: LayerSummary, part: str) -> TensorSummary:
    return _inputs(summary).get(part) or summary.weights[part]


def _inputs(summary: LayerSummary) -> dict[str, TensorSummary]:
    """The inputs that were seen; several ones with their argument's name."""
    seen = {name: tensor for name, tensor in summary.inputs.items() if len(tensor.batch_minimum)}
    return {"input" if len(seen) == 1 else f"input {name}": tensor for name, tensor in seen.items()}


def _show_tensor(sweep: Sweep, setting: Setting, layer: str, part: str, summary: LayerSummary) -> None:
    tensor, what = _tensor(summary, part), "inputs" if part in _inputs(summary) else "weights"
    format, scheme = (
        (setting.activation_format, setting.activation_scheme)
        if what == "inputs"
        else (setting.weight_format, setting.weight_scheme)
    )
    path = str(home.artifacts() / sweep.facts["calibration_file"])
    ranges = _ranges(path, layer, part, format, scheme, setting.observer)
    show_chart(histogram_figure(histogram_frame(tensor), ranges, what), f"layer_histogram_{what}")
    st.caption(_reading(setting, what, format))
    show_chart(channels_figure(channels_frame(tensor), what), f"layer_channels_{what}")
    if len(ranges):
        with st.expander("The ranges as numbers", key=f"layer_numbers_{what}"):
            st.dataframe(_table(ranges), hide_index=True, key=f"layer_ranges_{what}", column_config=TABLE)


TABLE = {
    "observer": st.column_config.TextColumn("Observer", pinned=True),
    "own": st.column_config.CheckboxColumn("This run"),
    "low": st.column_config.NumberColumn("Low", format="%.4g"),
    "high": st.column_config.NumberColumn("High", format="%.4g"),
    "step": st.column_config.NumberColumn("Step", format="%.4g", help="The scale: the distance between two levels."),
    "zero_point": st.column_config.NumberColumn("Zero point"),
    "clipped": st.column_config.NumberColumn(
        "Clipped, %", format="%.3g", help="Values beyond the range by more than half a step; from histogram."
    ),
    "sqnr_db": st.column_config.NumberColumn("SQNR, dB", format="%.1f", help="Expected, from histogram."),
    "source": st.column_config.TextColumn("Range"),
}


def _table(ranges: pd.DataFrame) -> pd.DataFrame:
    shown = ranges.assign(
        clipped=ranges["clipped_share"] * 100,
        source=ranges["from_histogram"].map({True: "from histogram", False: "exact"}),
    )
    return shown[list(TABLE)]


def _reading(setting: Setting, what: str, format: str) -> str:
    """How to read the picture under this setting."""
    seen = "From histogram: a seeded subsample of the calibration values; minimum and maximum are exact."
    if what == "weights":
        if setting.weight_granularity == "per_tensor":
            return f"{seen} The dashed lines are the range of this run."
        kind = setting.weight_granularity.partition(":")[0].removeprefix("per_")
        return f"{seen} This run has one range per {kind}; shown is what one {format} scale for all would keep."
    mode = family("modes").create(setting.mode)
    if not mode.quantizes_inputs:
        return f"{seen} This run leaves inputs in FP32; the ranges are what {format} would keep."
    if mode.live_ranges:
        return f"{seen} In dynamic mode the range follows every input; the ranges are what static mode would keep."
    return f"{seen} The dashed lines are the range of this run."
