"""FP32, every layer quantized, the recommended set and the person's own beside each other, as measured."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from qdash.answers.stored import Sweep
from qdash.results.text import count, interval, megabytes, metric_value, points
from qdash.ui import state
from qdash.ui.decide.answer import Json
from qdash.ui.decide.keep_set import measured_point
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


def show_comparison(sweep: Sweep, found: Json, yours: Sequence[str]) -> None:
    """A card per model, with interval, size and samples."""
    metric = sweep.facts["metric"]
    st.subheader(f"Measured {metric['name'].replace('_', ' ')}", help=help_text("measured"))
    shown = cards(state.answer(sweep), found, yours, measured_point(sweep, yours))
    with st.container(key="comparison"):
        for column, card in zip(st.columns(len(shown), border=True), shown, strict=True):
            with column:
                st.metric(card.label, _value(card, metric), help=help_text(card.term))
                st.caption(_details(card, metric))


def cards(answer: Json, found: Json, yours: Sequence[str], point: Json | None) -> list[Card]:
    """answer: the sweep JSON; found: the JSON of `recommend`; point: the measurement of `yours`."""
    fp32, whole, chosen = answer["baseline"], answer["all_quantized"], found["chosen"]
    result = [Card("FP32", "baseline", fp32["value"], None, None, None, fp32["size_mb"], fp32["samples"])]
    result.append(
        Card(
            "All quantized",
            "all_quantized",
            whole["value"],
            whole["delta"],
            whole["delta_low"],
            whole["delta_high"],
            whole["size_mb"],
            whole["samples"],
        )
    )
    if chosen is not None and chosen["k"]:
        result.append(_of_point(f"Recommended: {chosen['k']} in FP32", chosen))
    if set(yours) != set(found["keep_fp32"]):
        label = f"Your set: {len(yours)} in FP32"
        result.append(_of_point(label, point) if point else Card(label, "keep_fp32", *(None,) * 5, samples=0))
    return result


def _of_point(label: str, point: Json) -> Card:
    numbers = (point[key] for key in ("value", "delta", "low", "high", "size_mb", "samples"))
    return Card(label, "keep_fp32", *numbers)


def _value(card: Card, metric: dict[str, Any]) -> str:
    return "not measured" if card.value is None else metric_value(card.value, metric)


def _details(card: Card, metric: dict[str, Any]) -> str:
    if card.value is None:
        return "“Measure this set” runs it; its result appears here."
    parts = []
    if card.delta is not None:
        unit = metric["difference_unit"]
        ends = interval(card.low, card.high, lambda value: points(value, unit))
        parts.append(f"{points(card.delta, unit)}, 95 % interval {ends}")
    parts.append(f"{megabytes(card.size_mb)}, measured on {count(card.samples)} samples")
    return "  \n".join(parts)
