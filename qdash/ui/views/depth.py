"""How errors pile up through the network."""

from typing import ClassVar

import streamlit as st

from qdash.charts.depth import depth_figure, depth_frame
from qdash.ui.chart import show_chart
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text


@REGISTRY.register("depth")
class Depth(View):
    """Every layer in the order of the network: its own error, and the one that has piled up until there."""

    label: ClassVar[str] = "Depth"
    order: ClassVar[int] = 50

    def draw(self, view: LayerView) -> None:
        """Two lines."""
        frame = depth_frame(view.rows)
        show_chart(depth_figure(frame, selected=view.shown), "layers_depth", select=True)
        st.caption(
            "Grey: the layer's own error with FP32 input. Blue: the error that has piled up with every layer "
            "quantized.",
            help=help_text("cumulative_sqnr_db"),
        )
