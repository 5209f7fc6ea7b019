"""The values of one tensor of a layer: how they are spread, what each observer would keep, channel by channel."""

import math
from pathlib import Path

import pandas as pd
import streamlit as st

from qdash import home
from qdash.answers.stored import Sweep
from qdash.artifacts import UnreadableArtifact
from qdash.calibration.summaries import Calibration, LayerSummary, TensorSummary
from qdash.charts.channels import channels_figure, channels_frame
from qdash.charts.clipping import clipping_frame
from qdash.charts.histogram import histogram_figure, histogram_frame
from qdash.quant.moments import kurtosis
from qdash.registry import family
from qdash.results.diagnosis import dead_channels
from qdash.results.text import MINUS, NOTHING, share
from qdash.spec.setting import Setting
from qdash.ui.chart import show_chart
from qdash.ui.words import help_text

FIXED_POINTS = ("scale", "zero_point", "clipped", "saturated", "kurtosis", "dead_channels")


def calibration_of(sweep: Sweep, layer: str) -> LayerSummary | None:
    """What calibration found out about a layer; None where its file is gone or can't be read."""
    path = home.artifacts() / sweep.facts.calibration_file
    try:
        return calibration_at(str(path)).layers.get(layer)
    except (FileNotFoundError, UnreadableArtifact, KeyError):  # gone, broken, or written by another version
        return None


@st.cache_resource(show_spinner=False, max_entries=4)
def calibration_at(path: str) -> Calibration:
    """Read once. Raises FileNotFoundError or UnreadableArtifact where that can't be done."""
    return Calibration.load(Path(path))


@st.cache_data(show_spinner=False, max_entries=64)
def _ranges(path: str, layer: str, part: str, format: str, scheme: str, own: str) -> pd.DataFrame:
    summary = calibration_at(path).layers[layer]
    return clipping_frame(_tensor(summary, part), format, scheme, own)


def _tensor(summary: LayerSummary, part: str) -> TensorSummary:
    return inputs_of(summary).get(part) or summary.weights[part]


def inputs_of(summary: LayerSummary) -> dict[str, TensorSummary]:
    """The inputs that were seen; several ones with their argument's name."""
    seen = {name: tensor for name, tensor in summary.inputs.items() if len(tensor.batch_minimum)}
    return {"input" if len(seen) == 1 else f"input {name}": tensor for name, tensor in seen.items()}


def show_tensor(sweep: Sweep, setting: Setting, layer: str, part: str, summary: LayerSummary) -> None:
    tensor, what = _tensor(summary, part), "inputs" if part in inputs_of(summary) else "weights"
    format, scheme = (
        (setting.activation_format, setting.activation_scheme)
        if what == "inputs"
        else (setting.weight_format, setting.weight_scheme)
    )
    path = str(home.artifacts() / sweep.facts.calibration_file)
    ranges = _ranges(path, layer, part, format, scheme, setting.observer)
    show_chart(histogram_figure(histogram_frame(tensor), ranges, what), f"layer_histogram_{what}")
    st.caption(_reading(setting, what, format))
    st.markdown(tensor_text(tensor, ranges), help="\n\n".join(map(help_text, FIXED_POINTS)))
    show_chart(channels_figure(channels_frame(tensor), what), f"layer_channels_{what}")
    if len(ranges):
        with st.expander("The ranges as numbers", key=f"layer_numbers_{what}"):
            st.dataframe(_table(ranges), hide_index=True, key=f"layer_ranges_{what}", column_config=TABLE)


def tensor_text(tensor: TensorSummary, ranges: pd.DataFrame) -> str:
    """Scale, zero point and what the run's range cuts off; kurtosis and dead channels of the values themselves."""
    dead, channels = dead_channels(tensor), len(tensor.channel_minimum)
    peak = float(kurtosis(tensor.statistics().cells)[0])
    spread = f"Kurtosis **{_plain(peak)}**" + ("" if math.isnan(peak) else " (normal: 3)")
    lines = [f"{spread}, dead channels **{dead} of {channels}**"]
    for own in ranges[ranges["own"]].to_dict("records"):
        lines.insert(
            0,
            f"Scale **{_plain(own['step'])}**, zero point **{_plain(own['zero_point'])}**, clipped "
            f"**{share(own['clipped_share'])}**, saturated **{share(own['saturated_share'])}** of the values",
        )
    return "  \n".join(lines)


def _plain(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.4g}".replace("-", MINUS)


TABLE = {
    "observer": st.column_config.TextColumn("Observer", pinned=True),
    "own": st.column_config.CheckboxColumn("This run"),
    "low": st.column_config.NumberColumn("Low", format="%.4g"),
    "high": st.column_config.NumberColumn("High", format="%.4g"),
    "step": st.column_config.NumberColumn("Step", format="%.4g", help="The scale: the distance between two levels."),
    "zero_point": st.column_config.NumberColumn("Zero point"),
    "clipped": st.column_config.NumberColumn("Clipped, %", format="%.3g", help=help_text("clipped")),
    "saturated": st.column_config.NumberColumn("Saturated, %", format="%.3g", help=help_text("saturated")),
    "sqnr_db": st.column_config.NumberColumn("SQNR, dB", format="%.1f", help="Expected, from histogram."),
    "source": st.column_config.TextColumn("Range"),
}


def _table(ranges: pd.DataFrame) -> pd.DataFrame:
    shown = ranges.assign(
        clipped=ranges["clipped_share"] * 100,
        saturated=ranges["saturated_share"] * 100,
        source=ranges["from_histogram"].map({True: "from histogram", False: "exact"}),
    )
    return shown[list(TABLE)]


def _reading(setting: Setting, what: str, format: str) -> str:
    """How to read the picture under this setting."""
    seen = "From histogram: a seeded subsample of the calibration values; minimum and maximum are exact."
    if what == "weights":
        if setting.shares_one_weight_scale:
            return f"{seen} The dashed lines are the range of this run."
        kind = setting.weight_granularity.partition(":")[0].removeprefix("per_")
        return f"{seen} This run has one range per {kind}; shown is what one {format} scale for all would keep."
    mode = family("modes").create(setting.mode)
    if not mode.quantizes_inputs:
        return f"{seen} This run leaves inputs in FP32; the ranges are what {format} would keep."
    if mode.live_ranges:
        return f"{seen} In dynamic mode the range follows every input; the ranges are what static mode would keep."
    return f"{seen} The dashed lines are the range of this run."
