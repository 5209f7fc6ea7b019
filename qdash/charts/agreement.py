"""Estimated against measured: a point per layer, on the diagonal where the estimate is right."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import as_text, short_labels
from qdash.results.agreement import EstimateAgreement, agreement, finite, spearman
from qdash.results.rows import LayerRow
from qdash.results.text import decibels, interval, nats, plural

COLUMNS = [
    "layer",
    "name",
    "type",
    "estimated_db",
    "measured_db",
    "estimated_low",
    "estimated_high",
    "measured_low",
    "measured_high",
    "estimated_kl",
    "measured_kl",
    "samples",
    "hover",
]
NAME_WIDTH = 24
NORMAL = 1.96  # standard errors on each side of a 95 % interval


def agreement_frame(
    rows: Sequence[LayerRow], measured: Mapping[str, LayerRow], types: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row, with COLUMNS, per layer whose model-output SQNR is estimated and measured, both finite.

    rows: of the estimate, one setting. measured: rows by layer. types: by layer. dB and nats; samples: of the
    measurement; NaN where there is no KL or no interval. Both are taken over the same samples, so the estimate's
    interval is what its random signs leave, where the run tells.
    """
    pairs = [(row, measured[row.layer]) for row in rows if row.layer in measured]
    pairs = [pair for pair in pairs if all(finite(one.model_output_sqnr_db) for one in pair)]
    names = short_labels([row.layer for row, _ in pairs], NAME_WIDTH)
    types = types or {}
    entries = [
        (row.layer, name, types.get(row.layer, row.type), *_numbers(row, found), found.samples, _hover(row, found))
        for (row, found), name in zip(pairs, names, strict=True)
    ]
    return pd.DataFrame(entries, columns=COLUMNS)


def frame_agreement(frame: pd.DataFrame) -> EstimateAgreement:
    """Of the SQNR in an `agreement_frame`."""
    return agreement(frame["estimated_db"].tolist(), frame["measured_db"].tolist())


def kl_spearman(frame: pd.DataFrame) -> float | None:
    """Spearman's rank correlation of the KL; None where fewer than three layers have both."""
    both = frame[frame["estimated_kl"].notna() & frame["measured_kl"].notna()]
    return spearman(both["estimated_kl"].tolist(), both["measured_kl"].tolist())


def agreement_figure(frame: pd.DataFrame, *, selected: str | None = None) -> go.Figure:
    """Measured on x, estimated on y, both in dB on axes alike, 95 % intervals as bars."""
    title = frame_agreement(frame).sentence
    if frame.empty:
        return theme.nothing_figure(title)
    figure = go.Figure()
    low, high = _ends(frame)
    guide = {"color": theme.GREY, "width": 1.5, "dash": "dash"}
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line=guide, hoverinfo="skip", showlegend=False)
    marks = theme.type_marks(frame["type"].tolist())
    for name, part in frame.groupby("type", sort=False):
        _add_points(figure, part, str(name), marks[str(name)])
    theme.laid_out(figure, title, 440, showlegend=len(marks) > 1)
    figure.update_xaxes(title="measured model-output SQNR, dB", range=[low, high])
    figure.update_yaxes(title="estimated model-output SQNR, dB", range=[low, high])
    _add_label(figure, frame, selected)
    return figure


def _numbers(estimated: LayerRow, measured: LayerRow) -> tuple[float, ...]:
    """Those of COLUMNS, from `estimated_db` to `measured_kl`."""
    both = (estimated, measured)
    values = (_number(row.model_output_sqnr_db) for row in both)
    ends = (end for row in both for end in _interval(row))
    return (*values, *ends, *(_number(row.model_output_kl) for row in both))


def _hover(estimated: LayerRow, measured: LayerRow) -> str:
    lines = [f"<b>{as_text(measured.layer)}</b>"]
    for row, how in ((measured, "measured on"), (estimated, "estimated from")):
        low, high = _interval(row)
        ends = "" if math.isnan(low) or math.isnan(high) else f" (95 %: {interval(low, high, decibels)})"
        kl = "" if row.model_output_kl is None else f", KL {nats(row.model_output_kl)}"
        lines.append(f"{how} {plural(row.samples, 'sample')}:<br>SQNR {decibels(row.model_output_sqnr_db)}{ends}{kl}")
    return "<br>".join(lines)


def _interval(row: LayerRow) -> tuple[float, float]:
    value, error = row.model_output_sqnr_db, row.model_output_sqnr_db_se
    if value is not None and error is not None:
        return value - NORMAL * error, value + NORMAL * error
    return _number(row.model_output_sqnr_db_low), _number(row.model_output_sqnr_db_high)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _ends(frame: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes, a little wider than the values with their intervals."""
    parts = [f"{which}_{what}" for which in ("estimated", "measured") for what in ("db", "low", "high")]
    values = frame[parts].to_numpy(float)
    values = values[np.isfinite(values)]
    room = max(0.5, 0.06 * float(np.ptp(values)))
    return float(values.min()) - room, float(values.max()) + room


def _add_points(figure: go.Figure, part: pd.DataFrame, name: str, mark: tuple[str, str]) -> None:
    bars = {
        axis: {
            "array": part[f"{which}_high"] - part[f"{which}_db"],
            "arrayminus": part[f"{which}_db"] - part[f"{which}_low"],
            "thickness": 1,
            "width": 2,
            "color": mark[0],
        }
        for axis, which in (("error_x", "measured"), ("error_y", "estimated"))
    }
    figure.add_scatter(
        x=part["measured_db"],
        y=part["estimated_db"],
        mode="markers",
        name=name,
        marker={"color": mark[0], "symbol": mark[1], "size": 9, "opacity": 0.85},
        customdata=part[["layer", "hover"]].to_numpy(),
        hovertemplate="%{customdata[1]}<extra></extra>",
        **bars,
    )


def _add_label(figure: go.Figure, frame: pd.DataFrame, selected: str | None) -> None:
    """Beside the point, where the diagonal is not, and towards the middle of the picture."""
    middle = sum(_ends(frame)) / 2
    for row in frame[frame["layer"] == selected].to_dict("records"):
        x, y = row["measured_db"], row["estimated_db"]
        away = 1 if x < middle else -1
        figure.add_annotation(x=x, y=y, ax=85 * away, ay=0, text=f"<b>▸ {row['name']}</b>", arrowcolor=theme.CHOSEN)
