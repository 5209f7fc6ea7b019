"""Estimated against measured: a point per layer, on the diagonal where the estimate is right."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import short_names
from qdash.results.agreement import Agreement, agreement, both_finite, spearman
from qdash.results.text import decibels, interval, nats, plural

DB, KL = "model_output_sqnr_db", "model_output_kl"
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
    rows: Sequence[Mapping[str, Any]], measured: Mapping[str, Mapping[str, Any]], types: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row, with COLUMNS, per layer whose model-output SQNR is estimated and measured, both finite.

    rows: of the estimate, one setting. measured: rows by layer. types: by layer. dB and nats; samples: of the
    measurement; NaN where there is no KL or no interval. Both are taken over the same samples, so the estimate's
    interval is what its random signs leave, where the run tells.
    """
    pairs = [(row, measured[row["layer"]]) for row in rows if row["layer"] in measured]
    pairs = [(row, found) for row, found in pairs if both_finite(row, found, DB)]
    names = short_names([row["layer"] for row, _ in pairs], NAME_WIDTH)
    types = types or {}
    entries = [
        _entry(row, found) | {"name": name, "type": types.get(row["layer"], row["type"])}
        for (row, found), name in zip(pairs, names, strict=True)
    ]
    return pd.DataFrame(entries, columns=COLUMNS)


def frame_agreement(frame: pd.DataFrame) -> Agreement:
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


def _entry(row: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"layer": row["layer"], "samples": found["samples"]}
    for which, source in (("estimated", row), ("measured", found)):
        entry |= {f"{which}_db": float(source[DB]), f"{which}_kl": _number(source[KL])}
        low, high = _interval(source)
        entry |= {f"{which}_low": low, f"{which}_high": high}
    return entry | {"hover": _hover(entry, row["samples"])}


def _hover(entry: Mapping[str, Any], estimated_from: int) -> str:
    lines = [f"<b>{entry['layer']}</b>"]
    for which, how, samples in (
        ("measured", "measured on", entry["samples"]),
        ("estimated", "estimated from", estimated_from),
    ):
        low, high = entry[f"{which}_low"], entry[f"{which}_high"]
        ends = "" if math.isnan(low) or math.isnan(high) else f" (95 %: {interval(low, high, decibels)})"
        kl = "" if math.isnan(entry[f"{which}_kl"]) else f", KL {nats(entry[f'{which}_kl'])}"
        lines.append(f"{how} {plural(samples, 'sample')}:<br>SQNR {decibels(entry[f'{which}_db'])}{ends}{kl}")
    return "<br>".join(lines)


def _interval(row: Mapping[str, Any]) -> tuple[float, float]:
    error = row.get(f"{DB}_se")
    if error is not None:
        return float(row[DB]) - NORMAL * error, float(row[DB]) + NORMAL * error
    return _number(row.get(f"{DB}_low")), _number(row.get(f"{DB}_high"))


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
