"""What a layer's sensitivity costs to avoid."""

from typing import ClassVar

import streamlit as st

from qdash.charts.size_sensitivity import SIZES, size_figure, size_frame
from qdash.ui.chart import show_chart
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text


@REGISTRY.register("size")
class Size(View):
    """Every layer's damage against its parameters or what quantizing it saves: which are cheap to keep."""

    label: ClassVar[str] = "Size"
    order: ClassVar[int] = 40

    def draw(self, view: LayerView) -> None:
        """The points, and the choice of which size."""
        size = st.segmented_control(
            "Size",
            list(SIZES),
            default="params",
            required=True,
            format_func=SIZES.__getitem__,
            key="size",
            bind="query-params",
        )
        frame = size_frame(view.frame, view.sweep.facts, view.setting)
        show_chart(size_figure(frame, view.by, size=size or "params", selected=view.shown), "layers_size", select=True)
        st.caption("Small and sensitive layers are cheap to keep in FP32. Sizes are exact.", help=help_text("size_mb"))
