"""Error along the depth: what each layer adds by itself, and what has piled up when all are quantized."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import as_text, short_labels
from qdash.results.rows import LayerRow
from qdash.results.text import decibels, shortened

LOCAL, CUMULATIVE = "Layer alone (FP32 input)", "All layers quantized"
LABELS, NAME_WIDTH = 40, 20
COLUMNS = ["layer", "name", "order", "local", "cumulative", "samples"]


def depth_frame(rows: Sequence[LayerRow]) -> pd.DataFrame:
    """One row per layer in network order; local, cumulative: SQNR at the layer's output in dB, NaN where there is none.

    rows: of one setting.
    """
    ordered = sorted(rows, key=lambda row: row.order)
    names = short_labels([row.layer for row in ordered], NAME_WIDTH)
    entries = [
        (row.layer, name, row.order, *_values(row), row.samples) for row, name in zip(ordered, names, strict=True)
    ]
    frame = pd.DataFrame(entries, columns=COLUMNS)
    return frame.astype({"local": float, "cumulative": float})


def depth_figure(frame: pd.DataFrame, *, selected: str | None = None) -> go.Figure:
    """Two lines over the layers; the steepest drop of the cumulative one is marked."""
    title = depth_title(frame)
    if frame.empty or not np.isfinite(frame[["local", "cumulative"]]).any().any():
        return theme.nothing_figure(title)
    figure = go.Figure()
    for key, name, color, symbol in (
        ("local", LOCAL, theme.GREY, "circle-open"),
        ("cumulative", CUMULATIVE, theme.QUANTIZED, "diamond"),
    ):
        if np.isfinite(frame[key]).any():
            _add_line(figure, frame, key, name, color, symbol)
    theme.laid_out(figure, title, 440)
    every = max(1, math.ceil(len(frame) / LABELS))
    figure.update_xaxes(title="layer, in network order", showgrid=False, tickangle=-60)
    figure.update_xaxes(tickvals=frame["order"][::every], ticktext=frame["name"][::every])
    figure.update_yaxes(title="SQNR at the layer's output, dB", range=_range(frame))
    drop = steepest_drop(frame)
    if drop is not None:
        row = frame.iloc[drop]
        figure.add_annotation(x=row["order"], y=row["cumulative"], text="steepest drop", arrowcolor=theme.LIMIT, ay=35)
    for order in frame["order"][frame["layer"] == selected]:
        figure.add_vrect(order - 0.5, order + 0.5, fillcolor=theme.CHOSEN, opacity=0.2, line_width=0)
    return figure


def depth_title(frame: pd.DataFrame) -> str:
    """Where the error grows most, and what arrives at the last layer."""
    if frame.empty:
        return "No layer to show"
    drop = steepest_drop(frame)
    measured = frame[np.isfinite(frame["cumulative"])]
    if drop is None:
        return "The error along the network is not measured yet" if measured.empty else "No drop along the network"
    lost = frame["cumulative"].iloc[drop - 1] - frame["cumulative"].iloc[drop]
    name = shortened(frame["layer"].iloc[drop], 40)
    last = decibels(measured["cumulative"].iloc[-1])
    return f"With all layers quantized, the SQNR drops most at {name}, by {lost:.1f} dB; {last} at the last layer"


def steepest_drop(frame: pd.DataFrame) -> int | None:
    """The position of the layer with the largest drop from the layer before; None where nothing drops."""
    cumulative = frame["cumulative"].to_numpy(float)
    finite = np.isfinite(cumulative)
    drops = np.where(finite[1:] & finite[:-1], -np.diff(np.where(finite, cumulative, 0.0)), -np.inf)
    if not len(drops) or drops.max() <= 0:
        return None
    return int(drops.argmax()) + 1


def _range(frame: pd.DataFrame) -> list[float]:
    """All values, with room below for the note at the steepest drop."""
    values = frame[["local", "cumulative"]].to_numpy(float)
    values = values[np.isfinite(values)]
    span = max(float(np.ptp(values)), 1.0)
    return [float(values.min()) - 0.25 * span, float(values.max()) + 0.08 * span]


def _values(row: LayerRow) -> tuple[float, float]:
    local, cumulative = row.layer_output_sqnr_db, row.cumulative_sqnr_db
    return math.nan if local is None else local, math.nan if cumulative is None else cumulative


def _add_line(figure: go.Figure, frame: pd.DataFrame, key: str, name: str, color: str, symbol: str) -> None:
    text = [
        f"<b>{as_text(row.layer)}</b><br>{name}: SQNR {decibels(getattr(row, key))}<br>{row.samples} samples"
        for row in frame.itertuples()
    ]
    figure.add_trace(
        (go.Scatter if len(frame) <= 1000 else go.Scattergl)(
            x=frame["order"],
            y=frame[key].where(np.isfinite(frame[key])),
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 2},
            marker={"symbol": symbol, "size": 8},
            customdata=np.stack([frame["layer"].to_numpy(object), np.array(text, object)], axis=1),
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    )
