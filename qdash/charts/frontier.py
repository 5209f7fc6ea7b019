"""The measured curve: layers kept in FP32 against the metric and the size."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from qdash.charts import theme
from qdash.records.facts import MetricFacts
from qdash.results.frontier import NOT_MET, SHOWN, Choice, Point
from qdash.results.text import count, interval, megabytes, metric_value, plural, points

COLUMNS = ["k", "layers", "key", "value", "low", "high", "delta", "size_mb", "samples", "on_curve", "hover"]
NAMED = 6


def frontier_frame(measured: Sequence[Point], ranking: Sequence[str], fp32: float, metric: MetricFacts) -> pd.DataFrame:
    """One row per measured set, with COLUMNS, smallest first; sets whose output isn't finite are left out.

    measured: of `answers.stored.measured_points`. ranking: layers, most sensitive first. fp32: the
    metric of the baseline.
    low, high: the metric's 95 % interval, from the paired interval of the change. on_curve: the set is the k most
    sensitive layers.
    """
    entries = [_entry(point, ranking, fp32, metric) for point in measured if point.status == "ok"]
    return pd.DataFrame(entries, columns=COLUMNS).sort_values(["k", "size_mb"], ignore_index=True)


def frontier_figure(
    frame: pd.DataFrame,
    metric: MetricFacts,
    fp32: float,
    max_drop: float,
    chosen: Choice,
    *,
    by_size: bool = False,
    pinned: Sequence[str] | None = None,
) -> go.Figure:
    """The curve with intervals, FP32, the tolerance and the chosen set; over k with the size below it, or over MB.

    chosen: of `results.frontier.choose`. pinned: the set that a person pinned, marked where it has been measured.
    """
    title = frontier_title(frame, metric, max_drop, chosen)
    if frame.empty:
        return theme.nothing_figure(title)
    x = "size_mb" if by_size else "k"
    rows = 1 if by_size else 2
    figure = make_subplots(rows=rows, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.74, 0.26][:rows])
    curve, other = frame[frame["on_curve"]], frame[~frame["on_curve"]]
    if len(curve):
        _add_sets(figure, curve, x, "k most sensitive layers in FP32", theme.QUANTIZED, "circle", "lines+markers")
    if len(other):
        _add_sets(figure, other, x, "other measured sets", theme.GREY, "diamond", "markers")
    _mark(figure, frame, x, chosen.point.layers if chosen.point else None, "recommended", "star", theme.CHOSEN)
    _mark(figure, frame, x, pinned, "your set", "circle-open", theme.PURPLE)
    limit = fp32 - max_drop if metric.higher_is_better else fp32 + max_drop
    figure.add_hline(y=fp32, line={"color": theme.FP32, "width": 2}, row=1, col=1)
    figure.add_hline(y=limit, line={"color": theme.LIMIT, "width": 2, "dash": "dash"}, row=1, col=1)
    theme.laid_out(figure, title, 400 if by_size else 470)
    for y, text, color, shift in ((fp32, "FP32", theme.FP32, 9), (limit, f"tolerance {max_drop:g}", theme.LIMIT, -9)):
        label = {"text": text, "font": {"color": color}, "showarrow": False, "yshift": shift}
        figure.add_annotation(x=1, xref="x domain", xanchor="right", y=y, yref="y", **label)
    figure.update_yaxes(title=metric.axis, row=1, col=1)
    if by_size:
        figure.update_xaxes(title="size of all parameters, MB")
    else:
        _add_size(figure, frame)
    return figure


def frontier_title(frame: pd.DataFrame, metric: MetricFacts, max_drop: float, chosen: Choice) -> str:
    """What the curve lets one say about the tolerance."""
    point = chosen.point
    if frame.empty or point is None:
        return "No set has been measured yet"
    unit = metric.difference_unit
    within = f"within {max_drop:g} {unit.removesuffix('s') if max_drop == 1 else unit}".rstrip()
    change = points(point.delta, unit)
    if chosen.verdict == NOT_MET:
        return f"No measured set stays {within}; the best allowed one changes it by {change}"
    kept = f"{plural(point.k, 'layer')} in FP32" if point.k else "Every layer quantized"
    sure = "the whole interval too" if chosen.verdict == SHOWN else "but the interval reaches beyond"
    return f"{kept}: {change}, {within} of FP32, {sure}"


def _entry(point: Point, ranking: Sequence[str], fp32: float, metric: MetricFacts) -> tuple[object, ...]:
    """COLUMNS."""
    layers = sorted(point.layers)
    low, high = (math.nan if end is None or not math.isfinite(end) else fp32 + end for end in (point.low, point.high))
    on_curve = set(layers) == set(ranking[: point.k])
    sized = point.delta, point.size_mb, point.samples
    return point.k, layers, ",".join(layers), point.value, low, high, *sized, on_curve, _hover(point, metric)


def _hover(point: Point, metric: MetricFacts) -> str:
    unit = metric.difference_unit
    names = list(point.layers[:NAMED]) + (["…"] if len(point.layers) > NAMED else [])
    ends = interval(point.low, point.high, lambda value: points(value, unit))
    return "<br>".join(
        [
            f"<b>{plural(point.k, 'layer')} in FP32</b>",
            f"{metric.words} {metric_value(point.value, metric)}",
            f"against FP32 {points(point.delta, unit)}, 95 % interval {ends}",
            f"{megabytes(point.size_mb)}, measured on {count(point.samples)} samples",
            *names,
        ]
    )


def _add_sets(figure: go.Figure, part: pd.DataFrame, x: str, name: str, color: str, symbol: str, mode: str) -> None:
    part = part.sort_values(x)
    figure.add_scatter(
        x=part[x],
        y=part["value"],
        mode=mode,
        name=name,
        line={"color": color, "width": 1.5},
        marker={"symbol": symbol, "size": 8, "color": color},
        error_y={
            "array": part["high"] - part["value"],
            "arrayminus": part["value"] - part["low"],
            "thickness": 1,
            "width": 3,
            "color": color,
        },
        customdata=part[["key", "hover"]].to_numpy(),
        hovertemplate="%{customdata[1]}<extra></extra>",
        row=1,
        col=1,
    )


def _mark(
    figure: go.Figure, frame: pd.DataFrame, x: str, layers: Sequence[str] | None, name: str, symbol: str, color: str
) -> None:
    if layers is None:
        return
    at = frame[frame["key"] == ",".join(sorted(layers))]
    if len(at):
        marker = {"symbol": symbol, "size": 17, "color": color, "line": {"width": 2, "color": color}}
        figure.add_scatter(
            x=at[x], y=at["value"], mode="markers", name=name, marker=marker, hoverinfo="skip", row=1, col=1
        )


def _add_size(figure: go.Figure, frame: pd.DataFrame) -> None:
    """One bar per k: of the curve's set where it has one, so that sets of one k don't stack up."""
    frame = frame.sort_values("on_curve", ascending=False, kind="stable").drop_duplicates("k").sort_values("k")
    figure.add_bar(
        x=frame["k"],
        y=frame["size_mb"],
        marker={"color": theme.GREY},
        hovertemplate="%{x} layers in FP32<br>%{y:.3f} MB<extra></extra>",
        showlegend=False,
        row=2,
        col=1,
    )
    figure.update_yaxes(title="size, MB", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title="layers kept in FP32", row=2, col=1)
