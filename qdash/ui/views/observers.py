"""Every observer and format on every layer, redrawn at each choice without a forward pass."""

from typing import ClassVar

import pandas as pd
import streamlit as st

from qdash import home
from qdash.artifacts import UnreadableArtifact
from qdash.charts.heatmap import heatmap_figure
from qdash.charts.observers_table import RANGE, observers_frame, observers_title
from qdash.registry import family
from qdash.ui.chart import show_chart
from qdash.ui.layers.panel import NO_FILE
from qdash.ui.layers.tensor import calibration_at
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text

INPUTS, WEIGHTS = "Inputs", "Weights"
START = ("int8", "int6", "int4")


@REGISTRY.register("observers")
class Observers(View):
    """Every observer and format on every layer, from the calibration's histograms: nothing is run for it."""

    label: ClassVar[str] = "Observers"
    order: ClassVar[int] = 30

    def draw(self, view: LayerView) -> None:
        """Controls, heatmap and the ranges as numbers, of the layers that the ranking shows."""
        path = home.artifacts() / view.sweep.facts.calibration_file
        part, formats, scheme = _controls(view)
        own, frame = view.setting.observer, view.frame
        layers = tuple(frame[frame["shown"]]["layer"])
        try:
            found = _ranges(str(path), layers, part, formats, scheme, own)
        except (FileNotFoundError, UnreadableArtifact, KeyError):  # gone, broken, or written by another version
            st.info(NO_FILE.format(path.name), icon=":material/folder_off:")
            return
        if not formats or found.empty:
            st.info("Choose a format; formats with block scales of their own need no observer.", icon=":material/tune:")
            return
        figure = heatmap_figure(found, observers_title(found, own), selected=view.shown)
        show_chart(figure, "layers_observers", select=True)
        st.caption(
            f"SQNR of the {part.lower()} with one scale for all, in dB, from the histograms of the calibration pass: "
            "nothing is run. A brighter cell is more damage.",
            help=help_text("sqnr_db"),
        )
        with st.expander("The ranges as numbers", key="observers_numbers"):
            shown = found[["layer", *RANGE, "value"]].rename(columns={"value": "SQNR, dB"})
            st.dataframe(shown, hide_index=True, key="observers_table")


def _controls(view: LayerView) -> tuple[str, tuple[str, ...], str]:
    setting = view.setting
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Of the", [INPUTS, WEIGHTS], default=INPUTS, required=True, key="observers_part", bind="query-params"
        )
        own = setting.activation_scheme if part == INPUTS else setting.weight_scheme
        scheme = st.segmented_control(
            "Scheme",
            ["affine", "symmetric"],
            default=own,
            required=True,
            key=f"observers_scheme_{part}",
            help=help_text("activation_scheme" if part == INPUTS else "weight_scheme"),
        )
        formats = st.multiselect("Formats", _formats(), default=list(START), key="observers_formats", width=330)
    return part or INPUTS, tuple(formats), scheme or own


def _formats() -> list[str]:
    names = family("formats").names()
    return [name for name in names if family("formats").create(name).needs_range]


@st.cache_data(show_spinner=False, max_entries=32)
def _ranges(
    path: str, layers: tuple[str, ...], part: str, formats: tuple[str, ...], scheme: str, own: str
) -> pd.DataFrame:
    known = calibration_at(path).layers
    tensors = {}
    for layer in layers:
        found = known[layer].inputs if part == INPUTS else known[layer].weights
        seen = [tensor for tensor in found.values() if part == WEIGHTS or len(tensor.batch_minimum)]
        if seen:
            tensors[layer] = seen[0]
    return observers_frame(tensors, formats, scheme, own)
