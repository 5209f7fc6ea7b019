"""The order of layers: the most sensitive first."""

import math
from collections.abc import Sequence
from dataclasses import replace

from qdash.results.rows import LayerRow

RANKINGS = ("model_output_kl", "model_output_sqnr_db", "metric_delta", "layer_output_sqnr_db", "weight_sqnr_db")
# Whether a larger value means that the layer does more damage.
_LARGER_IS_WORSE = {"model_output_kl": True}
_OF_THE_MODEL = ("model_output", "metric")


def default_ranking(rows: Sequence[LayerRow]) -> str:
    """By model-output KL where outputs are class scores, else by model-output SQNR, else by the layer's own output."""
    for name in ("model_output_kl", "model_output_sqnr_db"):
        if any(row.number(name) is not None for row in rows):
            return name
    return "layer_output_sqnr_db"


def worst_first(rows: Sequence[LayerRow], by: str | None = None) -> list[LayerRow]:
    """Non-finite rows lead, rows without a value end, those without a path last; ties in network order.

    Where a row says what remains when the layer is kept, the largest remaining error is the least sensitive layer.
    """
    by = by or default_ranking(rows)
    return sorted(rows, key=lambda row: (_group(row, by), _badness(row, by), row.order))


def ranked(rows: Sequence[LayerRow], by: str | None = None) -> list[LayerRow]:
    """Worst first, with `rank` from 1."""
    return [replace(row, rank=rank) for rank, row in enumerate(worst_first(rows, by), 1)]


def says_what_remains(row: LayerRow, key: str) -> bool:
    """Whether this quantity of the row is of a model with only this layer in FP32."""
    return key.startswith(_OF_THE_MODEL) and row.remaining


def _group(row: LayerRow, by: str) -> int:
    if row.status == "non_finite":
        return 0
    if row.status == "no_path":
        return 3
    return 1 if row.number(by) is not None else 2


def _badness(row: LayerRow, by: str) -> float:
    value = row.number(by)
    if value is None or math.isnan(value):
        return 0.0
    damage = value if _LARGER_IS_WORSE.get(by, False) else -value
    return damage if says_what_remains(row, by) else -damage
