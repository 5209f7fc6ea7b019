"""FP32, every layer quantized, the recommended set and the person's own beside each other, as measured."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from qdash.records.facts import MetricFacts
from qdash.results.frontier import Point, Recommendation
from qdash.results.sweep import SettingResult
from qdash.results.text import count, interval, megabytes, metric_value, points
from qdash.ui.decide.keep_set import measured_point
from qdash.ui.view import SweepView
from qdash.ui.words import help_text


class Card(NamedTuple):
    """One model. value: None where it isn't measured; delta, low, high: None for FP32."""

    label: str
    term: str
    value: float | None
    delta: float | None
    low: float | None
    high: float | None
    size_mb: float | None
    samples: int


def show_comparison(view: SweepView, found: Recommendation, yours: Sequence[str]) -> None:
    """A card per model, with interval, size and samples."""
    metric = view.metric
    st.subheader(f"Measured {metric.words}", help=help_text("measured"))
    shown = cards(view.answer, found, yours, measured_point(view, yours))
    with st.container(key="comparison"):
        for column, card in zip(st.columns(len(shown), border=True), shown, strict=True):
            with column:
                st.metric(card.label, _value(card, metric), help=help_text(card.term))
                st.caption(_details(card, metric))


def cards(answer: SettingResult, found: Recommendation, yours: Sequence[str], point: Point | None) -> list[Card]:
    """point: the measurement of `yours`, None without one."""
    fp32, whole, chosen = answer.baseline, answer.all_quantized, found.chosen
    result = [Card("FP32", "baseline", fp32.value, None, None, None, fp32.size_mb, fp32.samples)]
    interval = whole.delta, whole.delta_low, whole.delta_high
    result.append(Card("All quantized", "all_quantized", whole.value, *interval, whole.size_mb, whole.samples))
    if chosen is not None and chosen.k:
        result.append(_of_point(f"Recommended: {chosen.k} in FP32", chosen))
    if set(yours) != set(found.keep_fp32):
        label = f"Your set: {len(yours)} in FP32"
        result.append(_of_point(label, point) if point else Card(label, "keep_fp32", *(None,) * 5, samples=0))
    return result


def _of_point(label: str, p: Point) -> Card:
    return Card(label, "keep_fp32", p.value, p.delta, p.low, p.high, p.size_mb, p.samples)


def _value(card: Card, metric: MetricFacts) -> str:
    return "not measured" if card.value is None else metric_value(card.value, metric)


def _details(card: Card, metric: MetricFacts) -> str:
    if card.value is None:
        return "“Measure this set” runs it; its result appears here."
    parts = []
    if card.delta is not None:
        unit = metric.difference_unit
        ends = interval(card.low, card.high, lambda value: points(value, unit))
        parts.append(f"{points(card.delta, unit)}, 95 % interval {ends}")
    parts.append(f"{megabytes(card.size_mb)}, measured on {count(card.samples)} samples")
    return "  \n".join(parts)
