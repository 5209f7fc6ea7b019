"""Which layers are the worst."""

from typing import ClassVar

import streamlit as st

from qdash.charts.ranking import ranking_figure
from qdash.charts.ranking_overview import overview_figure
from qdash.ui.chart import show_chart
from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import help_text


@REGISTRY.register("ranking")
class Ranking(View):
    """Every layer's damage with its interval, and all layers small below it where not all fit."""

    label: ClassVar[str] = "Ranking"
    order: ClassVar[int] = 10

    def draw(self, view: LayerView) -> None:
        """The ranking, and the overview where it leaves layers out."""
        frame, selected = view.frame, view.shown
        show_chart(ranking_figure(frame, view.by, selected=selected, whole=view.whole), "layers_ranking", select=True)
        if not frame["shown"].all():
            show_chart(overview_figure(frame, view.by, selected=selected), "layers_overview", select=True)
        how = "Measured on the samples so far"
        if frame["estimated"].any():
            how = "Estimated from gradients, not measured (the tab Agreement measures)"
        st.caption(f"{how}; bars are 95 % intervals. Click a mark to see its layer.", help=help_text("interval"))
