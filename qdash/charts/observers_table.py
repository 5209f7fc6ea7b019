"""Layers against observers and formats: what each range would keep, all of it from one calibration pass."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qdash.calibration.summaries import TensorSummary
from qdash.charts.clipping import Clipping, clipping_rows
from qdash.charts.heatmap import COLUMNS, NAME_WIDTH
from qdash.charts.names import as_text, short_labels
from qdash.results.text import decibels, plural

RANGE = ["observer", "format", "low", "high", "step", "zero_point", "clipped_share"]


def observers_frame(
    tensors: Mapping[str, TensorSummary], formats: Sequence[str], scheme: str, own: str = ""
) -> pd.DataFrame:
    """One line per layer, format and observer, with the columns of a heatmap frame and RANGE.

    tensors: of each layer, in the order of the rows; each has one scale. own: the run's observer, shown with its
    options beside the plain ones. value: SQNR of the tensor in dB, expected from its histogram. A format that can't
    hold the tensor under this scheme has no line.
    """
    names = dict(zip(tensors, short_labels(list(tensors), NAME_WIDTH), strict=True))
    entries = []
    for place, (layer, tensor) in enumerate(tensors.items()):
        statistics = tensor.statistics()
        for format in formats:
            shared = {"layer": layer, "name": names[layer], "row": place, "format": format}
            entries += [shared | _cell(layer, row) for row in clipping_rows(statistics, format, scheme, own)]
    frame = pd.DataFrame(entries, columns=[*COLUMNS, *RANGE])
    labels = list(dict.fromkeys(zip(frame["format"], frame["observer"], strict=True)))
    labels.sort(key=lambda pair: (formats.index(pair[0]), pair[1]))
    columns = {pair: column for column, pair in enumerate(labels)}
    pairs = list(zip(frame["format"], frame["observer"], strict=True))
    frame["column"] = [columns[pair] for pair in pairs]
    frame["label"] = [f"{observer}<br>{format}" for format, observer in pairs]
    return frame


def observers_title(frame: pd.DataFrame, own: str = "") -> str:
    """At the coarsest format, where the choice matters most: who is best how often, and what the run's own loses."""
    known = frame[np.isfinite(frame["value"])]
    if known.empty:
        return "No range to compare"
    format = known.groupby("format")["value"].median().idxmin()
    values = known[known["format"] == format].pivot(index="layer", columns="observer", values="value")
    best = values.idxmax(axis=1).value_counts()
    behind = (values.max(axis=1) - values[own]).median() if own in values else math.nan
    told = "" if math.isnan(behind) else f"; this run's {own} is {behind:.1f} dB below the best in the median"
    return f"At {format}, {best.index[0]} loses least in {best.iloc[0]} of {plural(len(values), 'layer')}{told}"


def _cell(layer: str, found: Clipping) -> dict[str, object]:
    hover = (
        f"<b>{as_text(layer)}</b><br>{found.observer}: {decibels(found.sqnr_db)}<br>"
        f"range {found.low:.4g} … {found.high:.4g}, step {found.step:.3g}<br>{found.clipped_share:.3%} clipped"
    )
    shown = {name: getattr(found, name) for name in RANGE if name != "format"}
    return {"value": found.sqnr_db, "text": decibels(found.sqnr_db).removesuffix(" dB"), "hover": hover} | shown
