"""One layer of a ranking, as it is drawn: a row of a ranking frame."""

import math
from typing import NamedTuple

import pandas as pd

from qdash.charts.names import as_text
from qdash.charts.quantities import Quantity
from qdash.results.ranking import says_what_remains
from qdash.results.rows import LayerRow, Status
from qdash.results.text import interval, plural, shortened

STATUS = {
    "non_finite": "the output holds NaN or Inf",
    "pending": "not measured yet",
    "no_path": "can't reach what is judged",
}


class RankedLayer(NamedTuple):
    """value, low, high: in the quantity's unit, NaN where there is none, infinite where it is. name: short.

    shown: among the most sensitive. remaining: the value is what is left when only this layer stays FP32. estimated:
    the value is no measurement.
    """

    layer: str
    name: str
    type: str
    order: int
    rank: int
    value: float
    low: float
    high: float
    samples: int
    status: Status
    remaining: bool
    estimated: bool
    shown: bool
    hover: str = ""

    @property
    def title(self) -> str:
        """Layer and type."""
        return f"{shortened(self.layer, 40)} ({self.type})"


def ranked_layer(row: LayerRow, quantity: Quantity, *, name: str, type: str, rank: int, shown: bool) -> RankedLayer:
    """Without its hover text."""
    return RankedLayer(
        layer=row.layer,
        name=name,
        type=type,
        order=row.order,
        rank=rank,
        value=_number(row, quantity.key),
        low=_number(row, quantity.low),
        high=_number(row, quantity.high),
        samples=row.samples,
        status=row.status,
        remaining=says_what_remains(row, quantity.key),
        estimated=row.estimated and quantity.low != "",
        shown=shown,
    )


def ranked_layers(frame: pd.DataFrame) -> list[RankedLayer]:
    """The rows of a ranking frame."""
    return [RankedLayer(*values) for values in frame[list(RankedLayer._fields)].itertuples(index=False)]


def hover_text(found: RankedLayer, quantity: Quantity, layers: int) -> str:
    """What a pointer over the layer's mark says, with plotly's line breaks; layers: how many there are."""
    lines = [f"<b>{as_text(found.layer)}</b>", f"{found.type}, layer {found.order + 1} of {layers}"]
    lines.append(STATUS.get(found.status) or f"{quantity.title} {quantity.written(found.value)}")
    if not math.isnan(found.low) and not math.isnan(found.high) and found.status == "ok":
        lines.append(f"95 % interval {interval(found.low, found.high, quantity.written)}")
    if found.remaining:
        lines.append("with only this layer in FP32")
    if found.samples:
        how = "estimated from" if found.estimated else "measured on"
        lines.append(f"{how} {plural(found.samples, 'sample')}")
    lines.append(f"rank {found.rank} of {layers}")
    return "<br>".join(lines)


def _number(row: LayerRow, key: str) -> float:
    value = row.number(key) if key else None
    return math.nan if value is None else float(value)
