"""A fine-tune: its loss step by step, and FP32, quantized and fine-tuned model beside each other."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.records.facts import MetricFacts, TrainingFacts
from qdash.results.models import MeasuredModel
from qdash.results.qat import CurveStep, QatResult
from qdash.results.text import count, decibels, interval, metric_value, points

CURVE_COLUMNS = ["step", "loss", "smooth"]
MODEL_COLUMNS = ["model", "value", "low", "high", "hover"]
SMOOTHING = 20
"""The line is the mean over a twentieth of the steps."""
MARKS = {"FP32": (theme.FP32, "square"), "quantized": (theme.QUANTIZED, "circle"), "fine-tuned": (theme.CHOSEN, "star")}


def curve_frame(curve: Sequence[CurveStep]) -> pd.DataFrame:
    """One row per step, with CURVE_COLUMNS; `smooth`: the running mean.

    curve: of the qat JSON.
    """
    frame = pd.DataFrame([(entry.step, entry.loss) for entry in curve], columns=CURVE_COLUMNS[:2])
    window = max(1, len(frame) // SMOOTHING)
    return frame.assign(smooth=frame["loss"].rolling(window, min_periods=1).mean())


def curve_figure(frame: pd.DataFrame, training: TrainingFacts | None) -> go.Figure:
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
    steps = training.steps if training else len(frame)
    figure.update_xaxes(title="training step", range=[-0.02 * steps, 1.02 * steps])
    return figure.update_yaxes(title=f"loss, {training.loss}" if training else "loss", rangemode="tozero")


def curve_title(frame: pd.DataFrame, training: TrainingFacts | None) -> str:
    """How far the loss has fallen."""
    if frame.empty or training is None:
        return "Training has not begun yet"
    steps = len(frame)
    done = f"{count(steps)} steps" if steps >= training.steps else f"{count(steps)} of {count(training.steps)} steps"
    part = max(1, steps // 10)
    first, last = frame["loss"][:part].mean(), frame["loss"][-part:].mean()
    how = "fell" if last < first else "rose"
    return f"In {done} the loss {how} from {first:.3g} to {last:.3g}"


def models_frame(result: QatResult, metric: MetricFacts) -> pd.DataFrame:
    """A row for each model that has been measured, with MODEL_COLUMNS, indexed by `fp32`, `ptq`, `qat`.

    low, high: the metric's 95 % interval, from the paired interval of the change against FP32; NaN for FP32.
    """
    fp32 = result.fp32
    if fp32.value is None:
        return pd.DataFrame(columns=MODEL_COLUMNS)
    value = f"{metric.words} {metric_value(fp32.value, metric)}"
    rows = {"fp32": ("FP32", fp32.value, math.nan, math.nan, _hover("FP32", [value], fp32.samples))}
    for key, name, model in (("ptq", "quantized", result.ptq), ("qat", "fine-tuned", result.qat)):
        if model.value is not None:
            low, high = (math.nan if end is None else fp32.value + end for end in (model.low, model.high))
            rows[key] = (name, model.value, low, high, _hover(name, _lines(model, metric), model.samples))
    return pd.DataFrame.from_dict(rows, orient="index", columns=MODEL_COLUMNS)


def models_figure(frame: pd.DataFrame, result: QatResult, metric: MetricFacts) -> go.Figure:
    """The metric of each model with its interval; FP32 as a line across."""
    title = models_title(result, metric)
    if frame.empty:
        return theme.nothing_figure(title)
    figure = go.Figure()
    for _, row in frame.iterrows():
        color, symbol = MARKS[row["model"]]
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
    theme.line_label(figure, "", x=result.fp32.value, color=theme.FP32)
    figure.update_xaxes(title=metric.axis)
    return figure.update_yaxes(autorange="reversed")


def models_title(result: QatResult, metric: MetricFacts) -> str:
    """What fine-tuning won back."""
    recovered = result.recovered_points
    if recovered is None:
        return "Not measured yet: training comes first"
    unit = metric.difference_unit
    ends = interval(result.recovered_low, result.recovered_high, lambda value: points(value, unit))
    return f"Fine-tuning changes {metric.words} by {points(recovered, unit)} (95 % interval {ends})"


def _lines(model: MeasuredModel, metric: MetricFacts) -> list[str]:
    unit = metric.difference_unit
    lines = [f"{metric.words} {metric_value(model.value, metric)}"]
    if model.delta is not None:
        ends = interval(model.low, model.high, lambda value: points(value, unit))
        lines += [f"against FP32 {points(model.delta, unit)}, 95 % interval {ends}"]
        lines += [f"model-output SQNR {decibels(model.sqnr_db)}"]
    return lines


def _hover(name: str, lines: Sequence[str], samples: int) -> str:
    return "<br>".join([f"<b>{name}</b>", *lines, f"measured on {count(samples)} samples"])
