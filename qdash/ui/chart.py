"""A figure on the page: its title as text that wraps, one height, and clicks that select a layer everywhere."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from qdash.charts.theme import TITLE_PX
from qdash.ui import state
from qdash.ui.words import escaped

CONFIG = {"displaylogo": False, "displayModeBar": "hover", "modeBarButtonsToRemove": ["autoScale2d"]}


def show_chart(figure: go.Figure, key: str, *, select: bool = False) -> None:
    """Draws the figure under its title. select: a click on a mark selects the layer in its customdata."""
    title, height = figure.layout.title.text or "", figure.layout.height
    figure.update_layout(title=None, margin_t=8, height=height - TITLE_PX + 8)
    st.markdown(f"**{escaped(title)}**")
    if not figure.data:
        return
    shown: dict[str, Any] = {"key": key, "height": figure.layout.height, "config": CONFIG, "alt": title}
    if select:
        st.plotly_chart(
            figure, on_select=lambda: select_clicked(key), selection_mode="points", theme="streamlit", **shown
        )
    else:
        st.plotly_chart(figure, theme="streamlit", **shown)


def select_clicked(key: str) -> None:
    """Selects the layer of the clicked mark; a click beside all marks changes nothing."""
    layer = clicked_layer(st.session_state[key])
    if layer is not None:
        state.select_layer(layer)


def clicked_layer(event: Any) -> str | None:
    """The layer in a chart's selection event."""
    for point in event["selection"]["points"]:
        data = point.get("customdata")
        if data:
            return str(data[0])
    return None
