"""The verdict of a run in one sentence with numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qdash.results.frontier import NOT_MET, SHOWN
from qdash.results.text import (
    count,
    decibels,
    interval,
    megabytes,
    metric_value,
    nats,
    plural,
    points,
    share,
    shortened,
)

Json = Mapping[str, Any]


def verdict_sentence(
    result: Json, metric: Json, layers: int, recommendation: Json | None, *, going_on: bool = False
) -> str:
    """What to keep in FP32, as far as it is known.

    result: the sweep JSON. metric: `facts["metric"]`. layers: how many the run covers. recommendation: the JSON of
    `recommend`, None or without a chosen set before the curve is measured. going_on: whether more is being measured.
    """
    chosen = recommendation["chosen"] if recommendation else None
    if recommendation is None or chosen is None:
        return measuring_sentence(result, going_on)
    numbers = _numbers(result, metric, chosen)
    if recommendation["verdict"] == NOT_MET:
        limit = _limit(recommendation, metric)
        kept = f"{plural(chosen['k'], 'layer')} in FP32" if chosen["k"] else "every layer quantized"
        return f"No measured set stays within {limit} of FP32; the best allowed one has {kept}: {numbers}"
    whom = "No layer needs FP32" if not chosen["k"] else f"Keep {chosen['k']} of {plural(layers, 'layer')} in FP32"
    return f"{whom}: {numbers}"


def certainty_sentence(recommendation: Json, metric: Json) -> str:
    """How sure the verdict is, and what would make it surer."""
    chosen, limit = recommendation["chosen"], _limit(recommendation, metric)
    if chosen["low"] is None or chosen["high"] is None or math.isnan(chosen["low"]):
        return f"Too few samples for an interval: {count(chosen['samples'])}. Run it on more samples."
    ends = interval(chosen["low"], chosen["high"], lambda value: points(value, metric["difference_unit"]))
    interval_text = f"the 95 % interval of the change is {ends}"
    if recommendation["verdict"] == SHOWN:
        return f"Shown: {interval_text}, all of it within {limit}."
    if recommendation["verdict"] == NOT_MET:
        return f"Not met: {interval_text}. Allow a larger loss, more layers in FP32, or finer settings."
    return f"Not yet shown within {limit}: {interval_text}.{_way_out(recommendation, metric)}"


def measuring_sentence(result: Json, going_on: bool) -> str:
    """Before there is a measured curve: the most sensitive layer so far."""
    rows, key = result["layers"], result["ranked_by"]
    broken = next((row for row in rows if row["status"] == "non_finite"), None)
    if broken is not None:
        return f"{shortened(broken['layer'], 40)} breaks the model: its output holds NaN or Inf when quantized"
    measured = [row for row in rows if row["status"] != "pending" and row[key] is not None]
    if not measured:
        return "Still measuring: the first layers appear in a moment" if going_on else "No layer has been measured"
    worst = measured[0]
    value = nats(worst[key]) if key == "model_output_kl" else decibels(worst[key])
    what = {"model_output_kl": "KL", "model_output_sqnr_db": "model-output SQNR"}.get(key, "SQNR of its own output")
    how = "estimated from" if worst.get("estimated") else "on"
    samples = f"{how} {_samples(worst['samples'])}"
    found = f"{shortened(worst['layer'], 40)} is the most sensitive layer, {what} {value} {samples}"
    return f"Still measuring: so far {found}" if going_on else f"Which set is enough is not measured yet: {found}"


def _numbers(result: Json, metric: Json, chosen: Json) -> str:
    baseline = result["baseline"]
    value, fp32 = metric_value(chosen["value"], metric), metric_value(baseline["value"], metric)
    size = f"size {share(chosen['size_mb'] / baseline['size_mb'])} of FP32" if baseline["size_mb"] else "size 0 MB"
    name = metric["name"].replace("_", " ")
    return f"{name} {value} against {fp32} in FP32, {size}, measured on {_samples(chosen['samples'])}"


def _way_out(recommendation: Json, metric: Json) -> str:
    ways = []
    if recommendation["samples_needed"]:
        ways.append(f"about {count(_rounded(recommendation['samples_needed']))} samples would show it")
    surer = _smallest_shown(recommendation["frontier"], recommendation["max_drop_points"], metric)
    if surer is not None and surer["k"] > recommendation["chosen"]["k"]:
        ways.append(f"with {plural(surer['k'], 'layer')} in FP32 it is shown already ({megabytes(surer['size_mb'])})")
    text = "; ".join(ways)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def _smallest_shown(frontier: Sequence[Json], max_drop_points: float, metric: Json) -> Json | None:
    end, sign = ("low", 1.0) if metric["higher_is_better"] else ("high", -1.0)
    shown = [p for p in frontier if p["status"] == "ok" and p[end] is not None and sign * p[end] >= -max_drop_points]
    return min(shown, key=lambda point: (point["k"], point["size_mb"]), default=None)


def _limit(recommendation: Json, metric: Json) -> str:
    limit = recommendation["max_drop_points"]
    unit = metric["difference_unit"]
    return f"{limit:g} {unit.removesuffix('s') if limit == 1 else unit}".rstrip()


def _samples(number: int) -> str:
    return plural(number, "sample")


def _rounded(number: int) -> int:
    step = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step
