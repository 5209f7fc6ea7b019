"""The order of layers: the most sensitive first."""

import math
from collections.abc import Mapping
from typing import Any

from qdash.results.leave_one_out import leaves_one_out

RANKINGS = ("model_output_kl", "model_output_sqnr_db", "metric_delta", "layer_output_sqnr_db", "weight_sqnr_db")
# Whether a larger value means that the layer does more damage.
_LARGER_IS_WORSE = {"model_output_kl": True}


def default_ranking(rows: list[dict[str, Any]]) -> str:
    """By model-output KL where outputs are class scores, else by model-output SQNR, else by the layer's own output."""
    for name in ("model_output_kl", "model_output_sqnr_db"):
        if any(row[name] is not None for row in rows):
            return name
    return "layer_output_sqnr_db"


def ranked(rows: list[dict[str, Any]], by: str | None = None) -> list[dict[str, Any]]:
    """Rows with `rank` from 1, worst first: non-finite rows lead, rows without a value end; ties in network order.

    In `leave_one_out` a row says what remains when the layer is kept, so the largest remaining error is the least
    sensitive layer.
    """
    by = by or default_ranking(rows)
    ordered = sorted(rows, key=lambda row: (_group(row, by), _badness(row, by), row["order"]))
    return [row | {"rank": rank} for rank, row in enumerate(ordered, 1)]


def _group(row: Mapping[str, Any], by: str) -> int:
    if row["status"] == "non_finite":
        return 0
    return 1 if row[by] is not None else 2


def _badness(row: Mapping[str, Any], by: str) -> float:
    value = row[by]
    if value is None or math.isnan(value):
        return 0.0
    damage: float = value if _LARGER_IS_WORSE.get(by, False) else -value
    remaining = leaves_one_out(row["method"]) and by.startswith(("model_output", "metric"))
    return damage if remaining else -damage
