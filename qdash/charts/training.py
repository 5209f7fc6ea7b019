"""A fine-tune: its loss step by step, and FP32, quantized and fine-tuned model beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.results.text import count, decibels, interval, metric_value, points

CURVE_COLUMNS = ["step", "loss", "smooth"]
MODEL_COLUMNS = ["model", "value", "low", "high", "hover"]
SMOOTHING = 20
"""The line is the mean over a twentieth of the steps."""
NAMES = {"fp32": "FP32", "ptq": "quantized", "qat": "fine-tuned"}
MARKS = {"fp32": (theme.FP32, "square"), "ptq": (theme.QUANTIZED, "circle"), "qat": (theme.CHOSEN, "star")}


def curve_frame(curve: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per step, with CURVE_COLUMNS; `smooth`: the running mean.

    curve: of the qat JSON.
    """
    frame = pd.DataFrame([(entry["step"], entry["loss"]) for entry in curve], columns=CURVE_COLUMNS[:2])
    window = max(1, len(frame) // SMOOTHING)
    return frame.assign(smooth=frame["loss"].rolling(window, min_periods=1).mean())


def curve_figure(frame: pd.DataFrame, training: Mapping[str, Any] | None) -> go.Figure:
    """Every step's loss, and the line through it. training: of the qat JSON."""
    title = curve_title(frame, training)
    if frame.empty:
        return theme.nothing_figure(title)
    figure = go.Figure()
    hover = "step %{x}<br>loss %{y:.4g}<extra></extra>"
    dots = {"color": theme.GREY, "size": 4, "opacity": 0.6}
    figure.add_scatter(
        x=frame["step"], y=frame["loss"], mode="markers", marker=dots, name="a step", hovertemplate=hover
    )
    line = {"color": theme.QUANTIZED, "width": 2}
    figure.add_scatter(x=frame["step"], y=frame["smooth"], mode="lines", line=line, name="mean", hoverinfo="skip")
    theme.laid_out(figure, title, 300)
    steps = training["steps"] if training else len(frame)
    figure.update_xaxes(title="training step", range=[-0.02 * steps, 1.02 * steps])
    return figure.update_yaxes(title=f"loss, {training['loss']}" if training else "loss", rangemode="tozero")


def curve_title(frame: pd.DataFrame, training: Mapping[str, Any] | None) -> str:
    """How far the loss has fallen."""
    if frame.empty or training is None:
        return "Training has not begun yet"
    steps = len(frame)
    done = (
        f"{count(steps)} steps" if steps >= training["steps"] else f"{count(steps)} of {count(training['steps'])} steps"
    )
    part = max(1, steps // 10)
    first, last = frame["loss"][:part].mean(), frame["loss"][-part:].mean()
    how = "fell" if last < first else "rose"
    return f"In {done} the loss {how} from {first:.3g} to {last:.3g}"


def models_frame(result: Mapping[str, Any], metric: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each model that has been measured, with MODEL_COLUMNS, indexed by `fp32`, `ptq`, `qat`.

    low, high: the metric's 95 % interval, from the paired interval of the change against FP32; NaN for FP32.
    """
    fp32 = result["fp32"]["value"]
    rows = {}
    for key, name in NAMES.items():
        entry = result[key]
        if entry["value"] is not None and fp32 is not None:
            low, high = (
                fp32 + end if (end := entry.get(side)) is not None else float("nan") for side in ("low", "high")
            )
            rows[key] = (name, entry["value"], low, high, _hover(name, entry, metric))
    return pd.DataFrame.from_dict(rows, orient="index", columns=MODEL_COLUMNS)


def models_figure(frame: pd.DataFrame, result: Mapping[str, Any], metric: Mapping[str, Any]) -> go.Figure:
    """The metric of each model with its interval; FP32 as a line across."""
    title = models_title(result, metric)
    if frame.empty:
        return theme.nothing_figure(title)
    figure = go.Figure()
    for key, row in frame.iterrows():
        color, symbol = MARKS[str(key)]
        ends = {"array": [row["high"] - row["value"]], "arrayminus": [row["value"] - row["low"]]}
        figure.add_scatter(
            x=[row["value"]],
            y=[row["model"]],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 13},
            error_x={"type": "data", "symmetric": False, "color": color, "thickness": 2, "width": 6, **ends},
            hovertemplate=f"{row['hover']}<extra></extra>",
            showlegend=False,
        )
    theme.laid_out(figure, title, 220)
    theme.line_label(figure, "", x=result["fp32"]["value"], color=theme.FP32)
    name = metric["name"].replace("_", " ")
    figure.update_xaxes(title=f"{name}, {metric['unit']}" if metric["unit"] else name)
    return figure.update_yaxes(autorange="reversed")


def models_title(result: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """What fine-tuning won back."""
    recovered = result["recovered_points"]
    if recovered is None:
        return "Not measured yet: training comes first"
    unit = metric["difference_unit"]
    ends = interval(result["recovered_low"], result["recovered_high"], lambda value: points(value, unit))
    return f"Fine-tuning changes {metric['name'].replace('_', ' ')} by {points(recovered, unit)} (95 % interval {ends})"


def _hover(name: str, entry: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    lines = [f"<b>{name}</b>", f"{metric['name'].replace('_', ' ')} {metric_value(entry['value'], metric)}"]
    if entry.get("delta") is not None:
        unit = metric["difference_unit"]
        ends = interval(entry["low"], entry["high"], lambda value: points(value, unit))
        lines += [f"against FP32 {points(entry['delta'], unit)}, 95 % interval {ends}"]
        lines += [f"model-output SQNR {decibels(entry['sqnr_db'])}"]
    return "<br>".join([*lines, f"measured on {count(entry['samples'])} samples"])
