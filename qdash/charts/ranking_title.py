"""The finding of a ranking in one line."""

import math
from collections.abc import Sequence

import pandas as pd

from qdash.charts.quantities import Quantity
from qdash.charts.ranked import RankedLayer, ranked_layers
from qdash.results.text import plural

CLEAR = 1.5  # times the next layer's value, for a title that speaks of a ratio


def ranking_title(frame: pd.DataFrame, quantity: Quantity, whole: float | None = None) -> str:
    """Says only what the values and their intervals carry."""
    ordered = ranked_layers(frame.sort_values("rank"))
    broken = [found for found in ordered if found.status == "non_finite"]
    if broken:
        return _broken(broken)
    measured = [found for found in ordered if not math.isnan(found.value)]
    if not measured:
        return "No layer has been measured yet"
    if measured[0].remaining:
        return _remaining(measured[0], quantity, whole)
    if quantity.key == "metric_delta":
        return _significant(measured, quantity)
    return _leader(measured, quantity)


def _broken(broken: Sequence[RankedLayer]) -> str:
    more = f" and {plural(len(broken) - 1, 'more layer')}" if len(broken) > 1 else ""
    return f"{broken[0].title}{more}: quantized, the model's output holds NaN or Inf"


def _remaining(kept: RankedLayer, quantity: Quantity, whole: float | None) -> str:
    of = f" instead of {quantity.written(whole)}" if whole is not None else ""
    left = f"{quantity.title} {quantity.written(kept.value)}{of}"
    return f"Keeping {kept.title} alone in FP32 helps most: {left}"


def _significant(measured: Sequence[RankedLayer], quantity: Quantity) -> str:
    clear = [found for found in measured if (found.low if quantity.larger_is_worse else -found.high) > 0]
    samples = plural(max(found.samples for found in measured), "sample")
    what = quantity.title.removesuffix(" change against FP32").lower()
    if not clear:
        return f"No single layer's {what} loss is shown: every 95 % interval reaches 0 or better ({samples})"
    names = f"{clear[0].title}, {quantity.written(clear[0].value)}"
    if len(clear) == 1:
        return f"Taken one by one, 1 of {len(measured)} layers loses {what} at 95 % confidence: {names} ({samples})"
    many = f"Taken one by one, {len(clear)} of {plural(len(measured), 'layer')} lose {what} at 95 % confidence"
    return f"{many}, most {names} ({samples})"


def _leader(measured: Sequence[RankedLayer], quantity: Quantity) -> str:
    worst = measured[0]
    value = f"{quantity.title} {quantity.written(worst.value)}"
    if not math.isfinite(worst.value) or worst.value == (0 if quantity.larger_is_worse else math.inf):
        return "Quantizing any one layer changes nothing" if worst.value != -math.inf else f"{worst.title}: {value}"
    if len(measured) == 1:
        return f"{worst.title}: {value}"
    following = measured[1]
    if _overlap(worst, following) and not quantity.key.endswith(("layer_output_sqnr_db", "weight_sqnr_db")):
        return f"{worst.title} and {following.title} lead; their 95 % intervals overlap"
    return f"{worst.title} {_lead(worst.value, following.value, quantity)}: {value}"


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


def _overlap(one: RankedLayer, other: RankedLayer) -> bool:
    """False where an end is not known."""
    return one.low <= other.high and other.low <= one.high
