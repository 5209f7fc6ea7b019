"""The ranking: one row per layer, worst first or in network order, each value with its interval."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import short_labels
from qdash.charts.quantities import Quantity
from qdash.charts.ranked import RankedLayer, hover_text, ranked_layer
from qdash.charts.ranking_title import ranking_title
from qdash.results.ranking import worst_first
from qdash.results.rows import LayerRow

TOP = 60
NAME_WIDTH = 26
LOG_ABOVE = 30  # a span of values for which short bars could no longer be told apart


def ranking_frame(
    rows: Sequence[LayerRow],
    quantity: Quantity,
    *,
    top: int = TOP,
    by_network: bool = False,
    types: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row per layer, with the fields of `RankedLayer`; `rows`: of one setting.

    shown: among the `top` most sensitive. Sorted worst first (non-finite rows lead, unmeasured ones end), or by network
    order.
    """
    ordered, types = worst_first(rows, quantity.key), types or {}
    names = short_labels([row.layer for row in ordered], NAME_WIDTH)
    entries = []
    for rank, (row, name) in enumerate(zip(ordered, names, strict=True), 1):
        type = types.get(row.layer, row.type)
        found = ranked_layer(row, quantity, name=name, type=type, rank=rank, shown=rank <= top)
        entries.append(found._replace(hover=hover_text(found, quantity, len(ordered))))
    frame = pd.DataFrame(entries, columns=RankedLayer._fields)
    frame = frame.astype({"value": float, "low": float, "high": float, "shown": bool})  # also without any row
    return frame.sort_values("order", ignore_index=True) if by_network else frame


def ranking_figure(
    frame: pd.DataFrame, quantity: Quantity, *, selected: str | None = None, whole: float | None = None
) -> go.Figure:
    """The shown rows, a dot with its interval each; `whole`: the value with every layer quantized, as a line."""
    shown = frame[frame["shown"]].reset_index(drop=True)
    title = ranking_title(frame, quantity, whole)
    if shown.empty:
        return theme.nothing_figure(title)
    edge, log = _axis(shown, quantity, whole)
    figure = go.Figure()
    _add_stems(figure, shown, edge, log)
    marks = theme.type_marks(frame["type"].tolist())
    for name, part in shown.groupby("type", sort=False):
        _add_dots(figure, part, str(name), marks[str(name)], edge)
    _add_special(figure, shown, edge)
    theme.laid_out(figure, title, 100 + theme.ROW_PX * max(len(shown), 3), showlegend=len(marks) > 1)
    axis = f"{quantity.axis} (estimated)" if frame["estimated"].any() else quantity.axis
    figure.update_xaxes(theme.log_axis([edge, shown["value"].max()]) if log else {}, title=axis)
    figure.update_yaxes(
        tickvals=shown.index,
        ticktext=[_label(name, layer == selected) for name, layer in zip(shown["name"], shown["layer"], strict=True)],
        range=[len(shown) - 0.4, -0.6],
        showgrid=False,
    )
    _add_guides(figure, shown, quantity, selected, whole)
    return figure


def _axis(shown: pd.DataFrame, quantity: Quantity, whole: float | None) -> tuple[float, bool]:
    """(where stems start, whether the axis is logarithmic)."""
    values = shown["value"].to_numpy(float)
    positive = values[np.isfinite(values) & (values > 0)]
    wide = quantity.unit == "nats" and len(positive) > 1 and positive.max() > LOG_ABOVE * positive.min()
    if not wide:
        return 0.0, False
    lows = shown["low"].to_numpy(float)
    smallest = min([positive.min(), *lows[np.isfinite(lows) & (lows > positive.min() / 10)]])
    return float(10 ** math.floor(math.log10(smallest))), True


def _add_stems(figure: go.Figure, shown: pd.DataFrame, edge: float, log: bool) -> None:
    drawn = shown[np.isfinite(shown["value"])]
    x = np.full((len(drawn), 3), np.nan)
    x[:, 0], x[:, 1] = edge, np.maximum(drawn["value"], edge) if log else drawn["value"]
    y = np.repeat(drawn.index.to_numpy(float), 3)
    line = {"color": theme.GUIDE, "width": 6}
    figure.add_scatter(x=x.ravel(), y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _add_dots(figure: go.Figure, part: pd.DataFrame, name: str, mark: tuple[str, str], edge: float) -> None:
    ok = part[np.isfinite(part["value"]) & (part["status"] != "non_finite")]
    value = np.maximum(ok["value"], edge) if edge else ok["value"]
    low = np.maximum(ok["low"], edge) if edge else ok["low"]
    figure.add_scatter(
        x=value,
        y=ok.index,
        mode="markers",
        name=name,
        marker={"color": mark[0], "symbol": mark[1], "size": 9},
        error_x={
            "array": (ok["high"] - value).replace(np.inf, np.nan),
            "arrayminus": (value - low).replace(np.inf, np.nan),
            "thickness": 1.5,
            "width": 3,
            "color": mark[0],
        },
        customdata=ok[["layer", "hover"]].to_numpy(),
        hovertemplate="%{customdata[1]}<extra></extra>",
    )


def _add_special(figure: go.Figure, shown: pd.DataFrame, edge: float) -> None:
    """What has no place on the axis says so in words: NaN or Inf, no error at all, not measured yet."""
    finite = shown["value"][np.isfinite(shown["value"])]
    place = float(finite.min()) if edge == 0 and len(finite) and finite.max() <= 0 else edge
    for mask, symbol, text in (
        (shown["status"] == "non_finite", "x", "NaN or Inf"),
        ((shown["status"] != "non_finite") & (shown["value"] == np.inf), "circle-open", "∞, no error"),
        ((shown["status"] != "non_finite") & (shown["value"] == -np.inf), "x", "−∞"),
        ((shown["status"] == "pending") & shown["value"].isna(), "circle-open", "not measured yet"),
        (shown["status"] == "no_path", "circle-open", "can't reach what is judged"),
    ):
        part = shown[mask]
        if len(part):
            broken = symbol == "x"
            figure.add_scatter(
                x=np.full(len(part), place),
                y=part.index,
                mode="markers+text",
                text=[text] * len(part),
                textposition="middle right",
                marker={"color": theme.BROKEN if broken else theme.GREY, "symbol": symbol, "size": 10},
                customdata=part[["layer", "hover"]].to_numpy(),
                hovertemplate="%{customdata[1]}<extra></extra>",
                name=text,
                showlegend=False,
            )


def _add_guides(
    figure: go.Figure, shown: pd.DataFrame, quantity: Quantity, selected: str | None, whole: float | None
) -> None:
    if quantity.key == "metric_delta":
        figure.add_vline(x=0, line={"color": theme.FP32, "width": 1.5}, annotation_text="FP32")
    if whole is not None and math.isfinite(whole) and bool(shown["remaining"].any()):
        theme.line_label(figure, "all quantized", x=whole, color=theme.LIMIT)
    for position in shown.index[shown["layer"] == selected]:
        figure.add_hrect(position - 0.5, position + 0.5, fillcolor=theme.CHOSEN, opacity=0.2, line_width=0)


def _label(name: str, selected: bool) -> str:
    return f"<b>▸ {name}</b>" if selected else name
