"""Layers against settings, or against kinds of error where there is one setting: SQNR as colour."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.charts import theme
from qdash.charts.names import as_text, short_labels
from qdash.charts.quantities import QUANTITIES, Quantity
from qdash.results.ranking import default_ranking, worst_first
from qdash.results.rows import KeyedSetting, LayerRow
from qdash.results.text import decibels, plural, shortened

KINDS = ("weight_sqnr_db", "input_sqnr_db", "layer_output_sqnr_db", "model_output_sqnr_db")
COLUMNS = ["layer", "name", "row", "column", "label", "value", "text", "hover"]
TEXT_CELLS, TEXT_COLUMNS, CLICK_CELLS, LABELS, LEVEL_LABELS, NAME_WIDTH = 400, 10, 3000, 45, 4, 24


def settings_frame(
    rows: Sequence[LayerRow], quantity: Quantity, *, by_network: bool = False, settings: Sequence[str] = ()
) -> pd.DataFrame:
    """One line per layer and setting, with COLUMNS; row, column: positions, worst layer first (by its worst setting).

    settings: keys in the order of the columns. value: NaN where it isn't measured or no finite number came out.
    """
    labels = setting_labels(row.settings for row in rows)
    columns = {key: column for column, key in enumerate(settings or labels)}
    places = _places(rows, quantity.key, by_network)
    entries = []
    for row in rows:
        key = row.settings.key
        entries.append(_cell(row, quantity, places[row.layer], columns[key], labels[key]))
    return _framed(entries)


def kinds_frame(rows: Sequence[LayerRow], *, by_network: bool = False) -> pd.DataFrame:
    """The same for one setting: a column for each kind of error that was measured."""
    # What leave_one_out says of the model's output is what remains without the layer's error.
    keys = KINDS[:-1] if any(row.remaining for row in rows) else KINDS
    kinds = [QUANTITIES[key] for key in keys if any(row.number(key) is not None for row in rows)]
    places = _places(rows, default_ranking(rows), by_network)
    entries = [
        _cell(row, kind, places[row.layer], column, kind.title.removesuffix(" SQNR").replace("-", "<br>"))
        for row in rows
        for column, kind in enumerate(kinds)
    ]
    return _framed(entries)


def heatmap_figure(frame: pd.DataFrame, title: str, *, selected: str | None = None) -> go.Figure:
    """Bright is damaged, in dB; a cell carries its layer. title: of `settings_title` or `kinds_title`."""
    if frame.empty:
        return theme.nothing_figure(title)
    grid, text = (frame.pivot(index="row", columns="column", values=key) for key in ("value", "text"))
    names = frame.drop_duplicates("row").set_index("row")
    columns = frame.drop_duplicates("column").sort_values("column")["label"].tolist()
    level = len(columns) <= LEVEL_LABELS
    if not level:
        columns = [label.replace("<br>", " · ") for label in columns]
    figure = go.Figure()
    figure.add_heatmap(
        z=np.where(np.isfinite(grid), grid, np.nan),
        colorscale=theme.SCALE,
        colorbar={"title": {"text": "SQNR, dB"}, "thickness": 12},
        text=text,
        texttemplate="%{text}" if grid.size <= TEXT_CELLS and len(columns) <= TEXT_COLUMNS else None,
        xgap=1,
        ygap=1 if len(grid) <= LABELS else 0,
        hoverinfo="skip" if grid.size <= CLICK_CELLS else "z",
    )
    if grid.size <= CLICK_CELLS:
        _add_click_targets(figure, frame)
    rows_px = theme.ROW_PX * min(len(grid), LABELS)
    theme.laid_out(figure, title, (130 if level else 230) + rows_px)
    figure.update_xaxes(tickvals=list(range(len(columns))), ticktext=columns, side="top", showgrid=False)
    figure.update_xaxes(tickangle=0 if level else -90, tickfont_size=10)
    every = max(1, math.ceil(len(grid) / LABELS))
    labels = [
        f"<b>▸ {name}</b>" if layer == selected else name
        for layer, name in zip(names["layer"], names["name"], strict=True)
    ]
    figure.update_yaxes(tickvals=names.index[::every], ticktext=labels[::every], autorange="reversed", showgrid=False)
    for row in names.index[names["layer"] == selected]:
        figure.add_hrect(row - 0.5, row + 0.5, line={"color": theme.CHOSEN, "width": 3})
    return figure


def settings_title(frame: pd.DataFrame, what: str) -> str:
    """The worst cell, or that there is none. what: the quantity."""
    measured = frame[np.isfinite(frame["value"])]
    if measured.empty:
        return f"{what}: nothing to compare yet"
    worst = measured.loc[measured["value"].idxmin()]
    where = " · ".join(worst["label"].split("<br>"))
    return f"{what} is lowest in {shortened(worst['layer'], 40)} with {where}: {decibels(worst['value'])}"


def kinds_title(frame: pd.DataFrame) -> str:
    """In how many layers the weights lose more than the inputs; else the worst cell."""
    values = frame.pivot(index="layer", columns="label", values="value")
    if not {"Weight", "Input"} <= set(values.columns):
        return settings_title(frame, "SQNR")
    both = values[["Weight", "Input"]].dropna()
    weights = int((both["Weight"] < both["Input"]).sum())
    return f"The weights lose more than the inputs in {weights} of {plural(len(both), 'layer')}"


def setting_labels(settings: Iterable[KeyedSetting]) -> dict[str, str]:
    """By setting key: only the parts in which the settings differ, one a line."""
    by_key = {keyed.key: keyed.setting for keyed in settings}
    words = {"observer": "{}", "weight_format": "{} weights", "activation_format": "{} inputs"}
    differing = [part for part in words if len({getattr(setting, part) for setting in by_key.values()}) > 1]
    parts = differing or ["weight_format"]
    return {key: "<br>".join(words[p].format(getattr(setting, p)) for p in parts) for key, setting in by_key.items()}


def _framed(entries: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(entries, columns=COLUMNS).sort_values(["row", "column"], ignore_index=True)
    layers = frame["layer"].drop_duplicates().tolist()
    frame["name"] = frame["layer"].map(dict(zip(layers, short_labels(layers, NAME_WIDTH), strict=True)))
    return frame


def _places(rows: Sequence[LayerRow], key: str, by_network: bool) -> dict[str, int]:
    """The row of each layer."""
    ordered = sorted(rows, key=lambda r: r.order) if by_network else worst_first(rows, key)
    return {name: place for place, name in enumerate(dict.fromkeys(row.layer for row in ordered))}


def _cell(row: LayerRow, kind: Quantity, place: int, column: int, label: str) -> tuple[object, ...]:
    """COLUMNS, the short name aside."""
    found = row.number(kind.key)
    value, broken = math.nan if found is None else float(found), row.status == "non_finite"
    text = "NaN" if broken else "" if math.isnan(value) else decibels(value).removesuffix(" dB")
    said = "the output holds NaN or Inf" if broken else f"{kind.title} {kind.written(value)}"
    hover = f"<b>{as_text(row.layer)}</b><br>{label.replace('<br>', ', ')}<br>{said}<br>{row.samples} samples"
    return row.layer, "", place, column, label, value, text, hover


def _add_click_targets(figure: go.Figure, frame: pd.DataFrame) -> None:
    """Invisible marks, because a heatmap's own cells can't be selected."""
    figure.add_scatter(
        x=frame["column"],
        y=frame["row"],
        mode="markers",
        marker={"size": 16, "opacity": 0, "symbol": "square"},
        customdata=frame[["layer", "hover"]].to_numpy(),
        hovertemplate="%{customdata[1]}<extra></extra>",
        showlegend=False,
    )
