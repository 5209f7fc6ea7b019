"""What a pointer over a layer's mark says: layer, type, value with unit, interval, samples."""

import math
from collections.abc import Mapping
from typing import Any

from qdash.charts.quantities import Quantity
from qdash.results.text import interval, plural

STATUS = {"non_finite": "the output holds NaN or Inf", "pending": "not measured yet"}


def hover_text(row: Mapping[str, Any], quantity: Quantity, layers: int) -> str:
    """Lines with plotly's line breaks; `row`: of a ranking frame."""
    lines = [f"<b>{row['layer']}</b>", f"{row['type']}, layer {row['order'] + 1} of {layers}"]
    lines.append(STATUS.get(row["status"]) or f"{quantity.title} {quantity.written(row['value'])}")
    if not math.isnan(row["low"]) and not math.isnan(row["high"]) and row["status"] == "ok":
        lines.append(f"95 % interval {interval(row['low'], row['high'], quantity.written)}")
    if row["remaining"]:
        lines.append("with only this layer in FP32")
    if row["samples"]:
        how = "estimated from" if row["estimated"] else "measured on"
        lines.append(f"{how} {plural(int(row['samples']), 'sample')}")
    lines.append(f"rank {row['rank']} of {layers}")
    return "<br>".join(lines)
