"""The verdict of a sweep on the page, in one sentence, with how sure it is."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from qdash.answers.recommendation import recommendation
from qdash.answers.stored import Sweep
from qdash.results.frontier import NOT_MET, SHOWN, Limits, Recommendation
from qdash.results.sentence import certainty_sentence, verdict_sentence
from qdash.results.text import megabytes, metric_value, plural, points
from qdash.store.runs import Run
from qdash.ui import state
from qdash.ui.describe import run_title
from qdash.ui.start import attempted, start_measuring
from qdash.ui.view import SweepView
from qdash.ui.words import escaped, help_text

ICONS = {SHOWN: ":material/verified:", NOT_MET: ":material/block:"}
NAMED = 8  # layers; more would push the answer off the screen
UNDECIDED, MEASURING = ":material/help:", ":material/hourglass_top:"


class KeyNumber(NamedTuple):
    """One model: the metric, its difference from FP32, MB, and the term of the glossary."""

    label: str
    value: float | None
    delta: float | None
    size_mb: float
    term: str


def recommended(view: SweepView) -> Recommendation | None:
    """The recommendation within the page's tolerance; None while no set has been measured."""
    limits = Limits(max_drop_points=state.max_drop_points())
    if not view.points:
        return None
    found = recommendation(state.store(), view.sweep, view.setting, limits, view.points)
    return found if found.chosen else None


def show_verdict(view: SweepView, going_on: bool) -> None:
    """going_on: whether the curve is still being measured; then a smaller set may yet turn out to be enough."""
    found = None if going_on else recommended(view)
    layers = len(view.sweep.facts.layers)
    sentence = verdict_sentence(view.answer, view.metric, layers, found, going_on=going_on)
    icon = ICONS.get(found.verdict, UNDECIDED) if found else MEASURING if going_on else UNDECIDED
    with st.container(border=True, key="verdict"):
        st.subheader(f"{icon} {escaped(sentence)}", help=help_text("verdict"))
        if found is not None:
            st.markdown(kept_text(found.keep_fp32) + escaped(certainty_sentence(found, view.metric)))
        elif not going_on and view.sweep.run.final:
            _offer_measuring(view.sweep)


def show_heading(run: Run) -> None:
    """Which run the page is about."""
    st.caption(escaped(f"{run_title(run)} · {run.data} · run {run.id}"))


def kept_text(layers: Sequence[str]) -> str:
    """The names to keep in FP32, empty where there are none."""
    names = ", ".join(f"`{layer}`" for layer in layers[:NAMED])
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    return f"Keep {names}{more}.  \n" if layers else ""


def _offer_measuring(sweep: Sweep) -> None:
    kind = "primary" if sweep.run.status == "done" else "secondary"
    label, icon = "Measure the curve", ":material/show_chart:"
    pressed = st.button(label, icon=icon, type=kind, help=help_text("frontier"))  # type: ignore[arg-type]
    if pressed and attempted(lambda: start_measuring(state.store(), sweep.run.id)):
        st.rerun()


def show_key_numbers(view: SweepView) -> None:
    """FP32, all layers quantized, and the recommended mix beside each other."""
    metric = view.metric
    with st.container(border=True, key="key_numbers"):
        for label, value, delta, size_mb, term in _key_numbers(view):
            size = megabytes(size_mb)
            st.metric(
                f"{label}: {metric.words}",
                metric_value(value, metric),
                size if delta is None else f"{points(delta, metric.difference_unit)}, {size}",
                delta_color="off",
                delta_arrow="off",
                help=help_text(term),
            )


def _key_numbers(view: SweepView) -> list[KeyNumber]:
    found, fp32, whole = recommended(view), view.answer.baseline, view.answer.all_quantized
    shown = [KeyNumber("FP32", fp32.value, None, fp32.size_mb, "baseline")]
    if whole.value is not None:
        shown.append(KeyNumber("All layers quantized", whole.value, whole.delta, whole.size_mb, "all_quantized"))
    if found is not None and found.chosen is not None and found.chosen.k:
        chosen = found.chosen
        label = f"{plural(chosen.k, 'layer')} in FP32"
        shown.append(KeyNumber(label, chosen.value, chosen.delta, chosen.size_mb, "keep_fp32"))
    return shown
