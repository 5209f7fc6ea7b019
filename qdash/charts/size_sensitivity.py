"""Size against sensitivity: what a layer weighs, and what its quantization costs."""

import math
from collections.abc import Hashable

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.quantities import Quantity
from qdash.records.facts import RunFacts
from qdash.results.size import saved_mb
from qdash.results.text import large, megabytes, shortened
from qdash.spec.setting import Setting

LABELLED = 5
SVG_POINTS = 1000
LABEL_ROOM = (0.45, 0.09)  # of the picture
SIZES = {"params": "Parameters", "saved_mb": "Saved by quantizing, MB"}


def size_frame(ranking: pd.DataFrame, facts: RunFacts, setting: Setting) -> pd.DataFrame:
    """A ranking frame with `params` and `saved_mb` (10⁶ bytes that quantizing the layer saves) of each layer."""
    layers = [facts.by_layer[name] for name in ranking["layer"]]
    params, saved = [layer.params for layer in layers], [saved_mb(layer, setting) for layer in layers]
    hover = [
        f"{text}<br>{large(count)} parameters, saves {megabytes(mb)}"
        for text, count, mb in zip(ranking["hover"], params, saved, strict=True)
    ]
    return ranking.assign(params=params, saved_mb=saved, hover=hover)


def size_figure(
    frame: pd.DataFrame, quantity: Quantity, *, size: str = "params", selected: str | None = None
) -> go.Figure:
    """A point per layer; both axes are logarithmic where values spread over decades. size: a key of SIZES."""
    drawn = frame[np.isfinite(frame["value"]) & (frame[size] > 0)]
    title = size_title(drawn, quantity, size)
    if drawn.empty:
        return theme.nothing_figure(title)
    log = quantity.unit == "nats" and bool((drawn["value"] > 0).all())
    trace = go.Scatter if len(drawn) <= SVG_POINTS else go.Scattergl
    figure = go.Figure()
    marks = theme.type_marks(frame["type"].tolist())
    for name, part in drawn.groupby("type", sort=False):
        color, symbol = marks[str(name)]
        figure.add_trace(
            trace(
                x=part[size],
                y=part["value"],
                mode="markers",
                name=str(name),
                marker={"color": color, "symbol": symbol, "size": 10, "opacity": 0.85},
                customdata=part[["layer", "hover"]].to_numpy(),
                hovertemplate="%{customdata[1]}<extra></extra>",
            )
        )
    theme.laid_out(figure, title, 440, showlegend=len(marks) > 1)
    figure.update_xaxes(theme.log_axis(drawn[size]), title=SIZES[size])
    figure.update_yaxes(theme.log_axis(drawn["value"]) if log else {}, title=quantity.axis)
    _add_labels(figure, drawn, size, log, selected)
    return figure


def size_title(drawn: pd.DataFrame, quantity: Quantity, size: str) -> str:
    """What share of the size the most sensitive layers have: what keeping them costs."""
    if drawn.empty:
        return "No layer to place yet"
    worst = drawn.nsmallest(min(3, len(drawn)), "rank")
    total = drawn[size].sum()
    share = worst[size].sum() / total * 100 if total else math.nan
    what = "of the layers' parameters" if size == "params" else "of what quantizing saves"
    if len(drawn) <= 3:
        return f"{shortened(worst.iloc[0]['layer'], 40)} is the most sensitive; it has {_share(worst, size)} {what}"
    return f"The 3 most sensitive layers have {share:.1f} % {what}"


def _share(worst: pd.DataFrame, size: str) -> str:
    return f"{worst.iloc[0][size] / worst[size].sum() * 100:.0f} %"


def _add_labels(figure: go.Figure, drawn: pd.DataFrame, size: str, log: bool, selected: str | None) -> None:
    """Names of the most sensitive layers and of the selected one."""
    named = drawn[(drawn["rank"] <= LABELLED) | (drawn["layer"] == selected)]
    x = np.log10(drawn[size])
    y = np.log10(drawn["value"]) if log else drawn["value"]
    for at in _apart(named.sort_values("layer", key=lambda names: names != selected), x, y):
        row = drawn.loc[at]
        chosen = row["layer"] == selected
        figure.add_annotation(
            x=x[at],
            y=y[at],
            text=f"<b>▸ {row['name']}</b>" if chosen else row["name"],
            showarrow=chosen,
            yshift=0 if chosen else 13,
            arrowcolor=theme.CHOSEN,
        )


def _apart(named: pd.DataFrame, x: pd.Series, y: pd.Series) -> list[Hashable]:
    """The labels that have room: in order, each not within a label's size of one before. x, y: of all points."""
    width, height = ((float(np.ptp(v)) or 1.0) * part for v, part in ((x, LABEL_ROOM[0]), (y, LABEL_ROOM[1])))
    placed: list[Hashable] = []
    for at in named.index:
        if all(abs(x[at] - x[b]) > width or abs(y[at] - y[b]) > height for b in placed):
            placed.append(at)
    return placed
