"""The finding of a ranking in one line."""

import math
from typing import Any

import numpy as np
import pandas as pd

from qdash.charts.quantities import Quantity
from qdash.results.text import plural, shortened

CLEAR = 1.5  # times the next layer's value, for a title that speaks of a ratio


def ranking_title(frame: pd.DataFrame, quantity: Quantity, whole: float | None = None) -> str:
    """Says only what the values and their intervals carry."""
    ordered = frame.sort_values("rank")
    broken = ordered[ordered["status"] == "non_finite"]
    if len(broken):
        return _broken(broken)
    measured = ordered[ordered["value"].notna()]
    if measured.empty:
        return "No layer has been measured yet"
    rows = measured.head(2).to_dict("records")
    if rows[0]["remaining"]:
        return _remaining(rows[0], quantity, whole)
    if quantity.key == "metric_delta":
        return _significant(measured, quantity)
    return _leader(rows, quantity)


def _broken(broken: pd.DataFrame) -> str:
    name = _named(broken.iloc[0].to_dict())
    more = f" and {plural(len(broken) - 1, 'more layer')}" if len(broken) > 1 else ""
    return f"{name}{more}: quantized, the model's output holds NaN or Inf"


def _remaining(row: dict[str, Any], quantity: Quantity, whole: float | None) -> str:
    of = f" instead of {quantity.written(whole)}" if whole is not None else ""
    left = f"{quantity.title} {quantity.written(row['value'])}{of}"
    return f"Keeping {_named(row)} alone in FP32 helps most: {left}"


def _significant(measured: pd.DataFrame, quantity: Quantity) -> str:
    bad_end = measured["low"] if quantity.larger_is_worse else -measured["high"]
    clear = measured[bad_end > 0]
    samples = plural(int(measured["samples"].max()), "sample")
    what = quantity.title.removesuffix(" change against FP32").lower()
    if clear.empty:
        return f"No single layer's {what} loss is shown: every 95 % interval reaches 0 or better ({samples})"
    first = clear.iloc[0].to_dict()
    names = f"{_named(first)}, {quantity.written(first['value'])}"
    if len(clear) == 1:
        return f"Taken one by one, 1 of {len(measured)} layers loses {what} at 95 % confidence: {names} ({samples})"
    many = f"Taken one by one, {len(clear)} of {plural(len(measured), 'layer')} lose {what} at 95 % confidence"
    return f"{many}, most {names} ({samples})"


def _leader(rows: list[dict[str, Any]], quantity: Quantity) -> str:
    worst = rows[0]
    value = f"{quantity.title} {quantity.written(worst['value'])}"
    if not np.isfinite(worst["value"]) or worst["value"] == (0 if quantity.larger_is_worse else math.inf):
        return (
            "Quantizing any one layer changes nothing" if worst["value"] != -math.inf else f"{_named(worst)}: {value}"
        )
    if len(rows) == 1:
        return f"{_named(worst)}: {value}"
    if _overlap(rows) and not quantity.key.endswith(("layer_output_sqnr_db", "weight_sqnr_db")):
        return f"{_named(worst)} and {_named(rows[1])} lead; their 95 % intervals overlap"
    return f"{_named(worst)} {_lead(worst['value'], rows[1]['value'], quantity)}: {value}"


def _lead(worst: float, following: float, quantity: Quantity) -> str:
    if quantity.larger_is_worse:
        if following <= 0:
            return "is the only layer that changes the output"
        ratio = worst / following
        return f"does {ratio:.1f} times the damage of the next layer" if ratio >= CLEAR else "does the most damage"
    below = following - worst
    if math.isinf(below):
        return "is the only layer with an error"
    return f"does the most damage, {below:.1f} dB below the next layer" if below >= 1 else "does the most damage"


def _overlap(rows: list[dict[str, Any]]) -> bool:
    ends = [rows[0]["low"], rows[0]["high"], rows[1]["low"], rows[1]["high"]]
    if any(math.isnan(end) for end in ends):
        return False
    return bool(ends[0] <= ends[3] and ends[2] <= ends[1])


def _named(row: dict[str, Any]) -> str:
    return f"{shortened(row['layer'], 40)} ({row['type']})"
