"""All layers of a large network at a glance, where the ranking shows only the most sensitive ones."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.quantities import Quantity
from qdash.results.text import plural


def overview_figure(frame: pd.DataFrame, quantity: Quantity, *, selected: str | None = None) -> go.Figure:
    """A point per layer in network order; those of the ranking stand out. frame: a ranking frame."""
    drawn = frame[np.isfinite(frame["value"])]
    title = overview_title(frame)
    if drawn.empty:
        return theme.nothing_figure(title)
    log = quantity.unit == "nats" and bool((drawn["value"] > 0).any())
    figure = go.Figure()
    for shown, name, color, symbol in (
        (False, "all other layers", theme.GREY, "circle"),
        (True, "in the ranking above", theme.QUANTIZED, "diamond"),
    ):
        part = drawn[drawn["shown"] == shown]
        figure.add_scattergl(
            x=part["order"],
            y=part["value"].where(part["value"] > 0) if log else part["value"],
            mode="markers",
            name=name,
            marker={"color": color, "symbol": symbol, "size": 5},
            customdata=part[["layer", "hover"]].to_numpy(),
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    theme.laid_out(figure, title, 300)
    figure.update_xaxes(title="layer, in network order", showgrid=False)
    figure.update_yaxes(theme.log_axis(drawn["value"][drawn["value"] > 0]) if log else {}, title=quantity.axis)
    for order in drawn["order"][drawn["layer"] == selected]:
        figure.add_vline(x=order, line={"color": theme.CHOSEN, "width": 2})
    return figure


def overview_title(frame: pd.DataFrame) -> str:
    """How many there are, and how many of them the ranking shows."""
    return f"All {plural(len(frame), 'layer')}; the ranking shows {int(frame['shown'].sum())}"
