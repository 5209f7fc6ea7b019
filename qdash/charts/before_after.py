"""Before and after a fine-tune: a line per layer from what quantizing did to what it does once trained."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import as_text, short_labels
from qdash.charts.quantities import Quantity
from qdash.results.rows import LayerRow
from qdash.results.text import plural, shortened

BEFORE, AFTER, WORSE = "Quantized only", "Fine-tuned", "Fine-tuned, worse"
COLUMNS = ["layer", "name", "order", "rank", "before", "after", "gain", "samples", "broken", "hover"]
BEFORE_KEYS = ("ptq_model_output_kl", "ptq_model_output_sqnr_db", "ptq_metric_delta")
NAME_WIDTH = 28


def before_key(quantity: Quantity) -> str:
    """The key of a sweep's row that holds the quantity before the fine-tune; only those of the model's output do."""
    return f"ptq_{quantity.key}"


def before_after_frame(
    rows: Sequence[LayerRow], quantity: Quantity, *, top: int | None = None, by_network: bool = False
) -> pd.DataFrame:
    """One row, with COLUMNS, per layer with a value before the fine-tune, worst first, or in network order.

    rows: of one setting, worst first. top: at most so many, the worst ones. before, after: in the quantity's unit, NaN
    where a value isn't finite. gain: what the fine-tune wins, positive where it helps. broken: NaN or Inf after it.
    """
    key = before_key(quantity)
    found = [(rank, row) for rank, row in enumerate(rows, 1) if row.number(key) is not None][:top]
    names = short_labels([row.layer for _, row in found], NAME_WIDTH)
    entries = [_entry(row, name, rank, quantity) for (rank, row), name in zip(found, names, strict=True)]
    frame = pd.DataFrame(entries, columns=COLUMNS).astype({"before": float, "after": float, "gain": float})
    return frame.sort_values("order" if by_network else "rank", ignore_index=True)


def before_after_figure(frame: pd.DataFrame, quantity: Quantity, *, selected: str | None = None) -> go.Figure:
    """Open marks are before, filled ones after; those that the fine-tune made worse have a colour and symbol too."""
    title = before_after_title(frame, quantity)
    drawn = frame[np.isfinite(frame[["before", "after"]]).all(axis=1)].reset_index(drop=True)
    if drawn.empty:
        return theme.nothing_figure(title)
    figure = go.Figure()
    _add_lines(figure, drawn)
    _add_marks(figure, drawn, "before", BEFORE, {"color": theme.GREY, "symbol": "circle-open", "size": 9})
    better, worse = drawn[drawn["gain"] >= 0], drawn[drawn["gain"] < 0]
    _add_marks(figure, better, "after", AFTER, {"color": theme.QUANTIZED, "symbol": "circle", "size": 10})
    _add_marks(figure, worse, "after", WORSE, {"color": theme.LIMIT, "symbol": "x", "size": 9})
    theme.laid_out(figure, title, 120 + theme.ROW_PX * max(len(drawn), 3), showlegend=True)
    values = drawn[["before", "after"]].to_numpy(float)
    log = quantity.unit == "nats" and bool((values > 0).all())
    figure.update_xaxes(theme.log_axis(values.ravel()) if log else {}, title=quantity.axis)
    labels = [
        f"<b>▸ {name}</b>" if layer == selected else name
        for name, layer in zip(drawn["name"], drawn["layer"], strict=True)
    ]
    figure.update_yaxes(tickvals=drawn.index, ticktext=labels, range=[len(drawn) - 0.4, -0.6], showgrid=False)
    for position in drawn.index[drawn["layer"] == selected]:
        figure.add_hrect(position - 0.5, position + 0.5, fillcolor=theme.CHOSEN, opacity=0.2, line_width=0)
    return figure


def before_after_title(frame: pd.DataFrame, quantity: Quantity) -> str:
    """How many layers the fine-tune helped, and where most; also where it hurt."""
    if frame.empty:
        return "No layer has been fine-tuned yet"
    helped, hurt = frame[frame["gain"] > 0], frame[frame["gain"] < 0]
    broken = int(frame["broken"].sum())
    layers = plural(len(frame), "layer")
    said = f"The fine-tune helped {len(helped) or 'none'} of {layers}"
    if len(helped):
        said += f", most at {_written(helped.loc[helped['gain'].idxmax()], quantity)}"
    if len(hurt):
        said += f"; {len(hurt)} got worse, most at {_written(hurt.loc[hurt['gain'].idxmin()], quantity)}"
    return f"{said}; {broken} with NaN or Inf" if broken else said


def change_text(before: float | None, after: float | None, quantity: Quantity) -> str:
    """`44.5 → 49.3 dB`; the value alone where there is nothing before it."""
    return quantity.written(after) if before is None else f"{_bare(before, quantity)} → {quantity.written(after)}"


def _entry(row: LayerRow, name: str, rank: int, quantity: Quantity) -> tuple[object, ...]:
    """COLUMNS."""
    changed = row.number(before_key(quantity)), row.number(quantity.key)
    before, after = (_finite(value) for value in changed)
    gain = quantity.worse(before) - quantity.worse(after)
    hover = (
        f"<b>{as_text(row.layer)}</b><br>{quantity.title} {change_text(*changed, quantity)}"
        f"<br>measured on {plural(row.samples, 'sample')}"
    )
    return row.layer, name, row.order, rank, before, after, gain, row.samples, row.status == "non_finite", hover


def _finite(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _written(row: pd.Series, quantity: Quantity) -> str:
    return f"{shortened(row['layer'], 40)} ({change_text(row['before'], row['after'], quantity)})"


def _bare(value: float, quantity: Quantity) -> str:
    return quantity.written(value).split(" ")[0]


def _add_lines(figure: go.Figure, drawn: pd.DataFrame) -> None:
    x = np.full((len(drawn), 3), np.nan)
    x[:, 0], x[:, 1] = drawn["before"], drawn["after"]
    y = np.repeat(drawn.index.to_numpy(float), 3)
    line = {"color": theme.GUIDE, "width": 6}
    figure.add_scatter(x=x.ravel(), y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _add_marks(figure: go.Figure, part: pd.DataFrame, key: str, name: str, marker: dict[str, object]) -> None:
    if part.empty:
        return
    figure.add_scatter(
        x=part[key],
        y=part.index,
        mode="markers",
        name=name,
        marker=marker,
        customdata=part[["layer", "hover"]].to_numpy(),
        hovertemplate="%{customdata[1]}<extra></extra>",
    )
