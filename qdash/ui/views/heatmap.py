"""Layers against settings."""

from typing import ClassVar

import pandas as pd
import streamlit as st

from qdash.charts import heatmap
from qdash.charts.quantities import QUANTITIES
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text

COLOURS = ("model_output_sqnr_db", "layer_output_sqnr_db", "weight_sqnr_db", "input_sqnr_db")


@REGISTRY.register("heatmap")
class Heatmap(View):
    """Every layer under every setting of the run; of a single setting, every kind of error of every layer."""

    label: ClassVar[str] = "Heatmap"
    order: ClassVar[int] = 20

    def draw(self, view: LayerView) -> None:
        """The heatmap; of several settings with the choice of what is coloured."""
        several = len(view.sweep.spec.settings()) > 1
        frame, title = _settings(view) if several else _kinds(view)
        show_chart(heatmap.heatmap_figure(frame, title, selected=view.shown), "layers_heatmap", select=True)
        st.caption("SQNR in dB, of the samples so far: a brighter cell is more damage.", help=help_text("sqnr_db"))


def _kinds(view: LayerView) -> tuple[pd.DataFrame, str]:
    frame = heatmap.kinds_frame(view.rows, by_network=view.by_network)
    return frame, heatmap.kinds_title(frame)


def _settings(view: LayerView) -> tuple[pd.DataFrame, str]:
    by = view.quantity(_choose_colour(view))
    names = {row.layer for row in view.rows}
    rows = [row for row in state.result(view.sweep.run.id).layers if row.layer in names]
    keys = [setting.key for setting in view.sweep.spec.settings()]
    frame = heatmap.settings_frame(rows, by, by_network=view.by_network, settings=keys)
    return frame, heatmap.settings_title(frame, by.title)


def _choose_colour(view: LayerView) -> str:
    # What leave_one_out says of the model's output is what remains without the layer's error.
    possible = COLOURS[1:] if view.remaining else COLOURS
    known = [key for key in possible if any(row.number(key) is not None for row in view.rows)]
    return str(
        st.selectbox(
            "Colour",
            known or ["layer_output_sqnr_db"],
            format_func=lambda key: QUANTITIES[key].title,
            key="colour",
            bind="query-params",
            width=250,
        )
    )
