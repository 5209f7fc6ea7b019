"""Weights or inputs: which of the two does the damage, at the layer's own output or, estimated, at the model's."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.results.diagnosis import attribution_place
from qdash.results.rows import LayerRow
from qdash.results.text import decibels, share

PARTS = (
    ("weights only", "weights_only_{}_sqnr_db", theme.WEIGHTS),
    ("inputs only", "inputs_only_{}_sqnr_db", theme.INPUTS),
    ("both", "{}_sqnr_db", theme.BOTH),
)


def attribution_frame(row: LayerRow) -> pd.DataFrame:
    """part, sqnr_db (NaN where it doesn't apply), place ("layer_output", or "model_output" where it is estimated)."""
    place = attribution_place(row)
    found = [row.number(key.format(place)) for _, key, _ in PARTS]
    values = [math.nan if value is None else float(value) for value in found]
    return pd.DataFrame({"part": [name for name, _, _ in PARTS], "sqnr_db": values, "place": place})


def attribution_figure(frame: pd.DataFrame, part: float | None) -> go.Figure:
    """Three bars in dB: a shorter bar is more noise. part: `results.diagnosis.weights_share`."""
    drawn = frame[np.isfinite(frame["sqnr_db"])]
    title = attribution_title(frame, part)
    if drawn.empty:
        return theme.nothing_figure(title)
    colors = {name: color for name, _, color in PARTS}
    figure = go.Figure()
    figure.add_bar(
        x=drawn["sqnr_db"],
        y=drawn["part"],
        orientation="h",
        marker={"color": [colors[part] for part in drawn["part"]]},
        text=[decibels(value) for value in drawn["sqnr_db"]],
        hovertemplate="%{y}: SQNR %{x:.2f} dB<extra></extra>",
    )
    theme.laid_out(figure, title, 190, showlegend=False)
    figure.update_xaxes(title="SQNR, dB (shorter: more noise)", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def attribution_title(frame: pd.DataFrame, part: float | None) -> str:
    """Which of the two makes the noise."""
    if part is None:
        measured = frame[frame["sqnr_db"].notna()]["part"].tolist()
        if "inputs only" in measured:
            return "Neither weights nor inputs make any noise"
        return "Only the weights are quantized" if "weights only" in measured else "No errors were measured"
    own = frame["place"].iloc[0] == "layer_output"
    of = "of this layer's own noise" if own else "of this layer's noise at the model's output (estimated)"
    if part >= 0.5:
        return f"The weights make {share(part)} {of}"
    return f"The inputs make {share(1 - part)} {of}"
