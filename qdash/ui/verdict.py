"""The verdict of a sweep on the page, in one sentence, with how sure it is."""

from typing import Any

import streamlit as st

from qdash.answers.recommendation import recommendation
from qdash.answers.stored import Sweep
from qdash.results.frontier import NOT_MET, SHOWN, Limits
from qdash.results.sentence import certainty_sentence, verdict_sentence
from qdash.results.text import megabytes, metric_value, plural, points
from qdash.spec import Setting
from qdash.store.runs import Run
from qdash.ui import state
from qdash.ui.describe import run_title
from qdash.ui.start import attempted, start_measuring
from qdash.ui.words import escaped, help_text

ICONS = {SHOWN: ":material/verified:", NOT_MET: ":material/block:"}
NAMED = 8  # layers; more would push the answer off the screen
UNDECIDED, MEASURING = ":material/help:", ":material/hourglass_top:"

Card = tuple[str, float | None, float | None, float, str]
"""Label, value, difference from FP32, MB, term of the glossary."""


def recommended(sweep: Sweep, setting: Setting) -> dict[str, Any] | None:
    """The recommendation within the page's tolerance; None while no set has been measured."""
    points = state.points(sweep.run.id, setting)
    limits = Limits(max_drop_points=state.max_drop_points())
    found = recommendation(state.store(), sweep, setting, limits, points) if points else None
    return found if found and found["chosen"] else None


def show_verdict(sweep: Sweep, going_on: bool) -> None:
    """going_on: whether the curve is still being measured; then a smaller set may yet turn out to be enough."""
    setting, metric = state.selected_setting(sweep), sweep.facts["metric"]
    found = None if going_on else recommended(sweep, setting)
    layers = len(sweep.facts["layers"])
    sentence = verdict_sentence(state.answer(sweep), metric, layers, found, going_on=going_on)
    icon = ICONS.get(found["verdict"], UNDECIDED) if found else MEASURING if going_on else UNDECIDED
    with st.container(border=True, key="verdict"):
        st.subheader(f"{icon} {escaped(sentence)}", help=help_text("verdict"))
        if found is not None:
            st.markdown(kept_text(found["keep_fp32"]) + escaped(certainty_sentence(found, metric)))
        elif not going_on and sweep.run.final:
            _offer_measuring(sweep)


def show_heading(run: Run) -> None:
    """Which run the page is about."""
    st.caption(escaped(f"{run_title(run)} · {run.data} · run {run.id}"))


def kept_text(layers: list[str]) -> str:
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


def show_key_numbers(sweep: Sweep) -> None:
    """FP32, all layers quantized, and the recommended mix beside each other."""
    metric, unit = sweep.facts["metric"], sweep.facts["metric"]["difference_unit"]
    name = metric["name"].replace("_", " ")
    with st.container(border=True, key="key_numbers"):
        for label, value, delta, size_mb, term in _cards(sweep):
            st.metric(
                f"{label}: {name}",
                metric_value(value, metric),
                megabytes(size_mb) if delta is None else f"{points(delta, unit)}, {megabytes(size_mb)}",
                delta_color="off",
                delta_arrow="off",
                help=help_text(term),
            )


def _cards(sweep: Sweep) -> list[Card]:
    result, found = state.answer(sweep), recommended(sweep, state.selected_setting(sweep))
    fp32, whole = result["baseline"], result["all_quantized"]
    cards: list[Card] = [("FP32", fp32["value"], None, fp32["size_mb"], "baseline")]
    if whole["value"] is not None:
        cards.append(("All layers quantized", whole["value"], whole["delta"], whole["size_mb"], "all_quantized"))
    if found is not None and found["chosen"]["k"]:
        chosen = found["chosen"]
        label = f"{plural(chosen['k'], 'layer')} in FP32"
        cards.append((label, chosen["value"], chosen["delta"], chosen["size_mb"], "keep_fp32"))
    return cards
