"""What a fine-tune brought."""

from typing import ClassVar

import streamlit as st

from qdash.charts.before_after import BEFORE_KEYS, before_after_figure, before_after_frame, before_key
from qdash.results.ranking import default_ranking
from qdash.ui.chart import show_chart
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text


@REGISTRY.register("before_after")
class BeforeAfter(View):
    """Every layer's damage quantized only and fine-tuned; of runs that train."""

    label: ClassVar[str] = "Before and after"
    order: ClassVar[int] = 70

    def fits(self, view: LayerView) -> bool:
        """Only where every layer was fine-tuned."""
        return view.trained

    def draw(self, view: LayerView) -> None:
        """Two marks a layer, by the ranked quantity where it is known from before."""
        by = view.by
        if before_key(by) not in BEFORE_KEYS:
            by = view.quantity(default_ranking(view.layers))
        frame = before_after_frame(view.rows, by, top=view.top, by_network=view.by_network)
        show_chart(before_after_figure(frame, by, selected=view.shown), "layers_before_after", select=True)
        st.caption(
            "Every layer is quantized and fine-tuned alone, the others staying in FP32.",
            help=help_text("before_training"),
        )
