"""The verdict of a run in one sentence with numbers."""

import math
from collections.abc import Sequence

from qdash.records.facts import MetricFacts
from qdash.results.frontier import NOT_MET, SHOWN, Point, Recommendation
from qdash.results.sweep import SettingResult
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


def verdict_sentence(
    result: SettingResult,
    metric: MetricFacts,
    layers: int,
    recommendation: Recommendation | None,
    *,
    going_on: bool = False,
) -> str:
    """What to keep in FP32, as far as it is known.

    layers: how many the run covers. recommendation: None or without a chosen set before the curve is measured.
    going_on: whether more is being measured.
    """
    chosen = recommendation.chosen if recommendation else None
    if recommendation is None or chosen is None:
        return measuring_sentence(result, going_on)
    numbers = _numbers(result, metric, chosen)
    if recommendation.verdict == NOT_MET:
        limit = _limit(recommendation, metric)
        kept = f"{plural(chosen.k, 'layer')} in FP32" if chosen.k else "every layer quantized"
        return f"No measured set stays within {limit} of FP32; the best allowed one has {kept}: {numbers}"
    whom = "No layer needs FP32" if not chosen.k else f"Keep {chosen.k} of {plural(layers, 'layer')} in FP32"
    return f"{whom}: {numbers}"


def certainty_sentence(recommendation: Recommendation, metric: MetricFacts) -> str:
    """How sure the verdict is, and what would make it surer; empty without a chosen set."""
    chosen, limit = recommendation.chosen, _limit(recommendation, metric)
    if chosen is None:
        return ""
    if chosen.low is None or chosen.high is None or math.isnan(chosen.low):
        return f"Too few samples for an interval: {count(chosen.samples)}. Run it on more samples."
    ends = interval(chosen.low, chosen.high, lambda value: points(value, metric.difference_unit))
    interval_text = f"the 95 % interval of the change is {ends}"
    if recommendation.verdict == SHOWN:
        return f"Shown: {interval_text}, all of it within {limit}."
    if recommendation.verdict == NOT_MET:
        return f"Not met: {interval_text}. Allow a larger loss, more layers in FP32, or finer settings."
    return f"Not yet shown within {limit}: {interval_text}.{_way_out(recommendation, chosen, metric)}"


def measuring_sentence(result: SettingResult, going_on: bool) -> str:
    """Before there is a measured curve: the most sensitive layer so far."""
    rows, key = result.layers, result.ranked_by
    broken = next((row for row in rows if row.status == "non_finite"), None)
    if broken is not None:
        return f"{shortened(broken.layer, 40)} breaks the model: its output holds NaN or Inf when quantized"
    worst = next((row for row in rows if row.status != "pending" and row.number(key) is not None), None)
    if worst is None:
        return "Still measuring: the first layers appear in a moment" if going_on else "No layer has been measured"
    value = nats(worst.number(key)) if key == "model_output_kl" else decibels(worst.number(key))
    what = {"model_output_kl": "KL", "model_output_sqnr_db": "model-output SQNR"}.get(key, "SQNR of its own output")
    samples = f"{'estimated from' if worst.estimated else 'on'} {_samples(worst.samples)}"
    found = f"{shortened(worst.layer, 40)} is the most sensitive layer, {what} {value} {samples}"
    return f"Still measuring: so far {found}" if going_on else f"Which set is enough is not measured yet: {found}"


def _numbers(result: SettingResult, metric: MetricFacts, chosen: Point) -> str:
    baseline = result.baseline
    value, fp32 = metric_value(chosen.value, metric), metric_value(baseline.value, metric)
    size = f"size {share(chosen.size_mb / baseline.size_mb)} of FP32" if baseline.size_mb else "size 0 MB"
    return f"{metric.words} {value} against {fp32} in FP32, {size}, measured on {_samples(chosen.samples)}"


def _way_out(recommendation: Recommendation, chosen: Point, metric: MetricFacts) -> str:
    ways = []
    if recommendation.samples_needed:
        ways.append(f"about {count(_rounded(recommendation.samples_needed))} samples would show it")
    surer = _smallest_shown(recommendation.frontier, recommendation.max_drop_points, metric.higher_is_better)
    if surer is not None and surer.k > chosen.k:
        ways.append(f"with {plural(surer.k, 'layer')} in FP32 it is shown already ({megabytes(surer.size_mb)})")
    text = "; ".join(ways)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def _smallest_shown(frontier: Sequence[Point], max_drop_points: float, higher_is_better: bool) -> Point | None:
    shown = [p for p in frontier if p.status == "ok" and _worst(p, higher_is_better) >= -max_drop_points]
    return min(shown, key=lambda point: (point.k, point.size_mb), default=None)


def _worst(point: Point, higher_is_better: bool) -> float:
    """The bad end of the interval, negative for a loss; NaN, which meets no limit, where there is none."""
    end = point.low if higher_is_better else point.high
    return math.nan if end is None else end if higher_is_better else -end


def _limit(recommendation: Recommendation, metric: MetricFacts) -> str:
    limit, unit = recommendation.max_drop_points, metric.difference_unit
    return f"{limit:g} {unit.removesuffix('s') if limit == 1 else unit}".rstrip()


def _samples(number: int) -> str:
    return plural(number, "sample")


def _rounded(number: int) -> int:
    step = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step
