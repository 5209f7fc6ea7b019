"""The verdict of a sweep on the page, in one sentence, with how sure it is."""

from typing import Any

import streamlit as st

from qdash.answers import recommendation
from qdash.history import Sweep
from qdash.results.frontier import NOT_MET, SHOWN, Limits
from qdash.results.sentence import certainty_sentence, verdict_sentence
from qdash.results.text import megabytes, metric_value, plural, points
from qdash.spec import Setting
from qdash.ui import state
from qdash.ui.words import help_text

ICONS = {SHOWN: ":material/verified:", NOT_MET: ":material/block:"}
UNDECIDED, MEASURING = ":material/help:", ":material/hourglass_top:"


def recommended(sweep: Sweep, setting: Setting) -> dict[str, Any] | None:
    """The recommendation within the page's tolerance; None while no set has been measured."""
    points = state.points(sweep.run.id, setting)
    limits = Limits(max_drop_points=state.max_drop_points())
    found = recommendation(state.store(), sweep, setting, limits, points) if points else None
    return found if found and found["chosen"] else None


def show_verdict(sweep: Sweep, complete: bool) -> None:
    """complete: False while the curve is still being measured, as a smaller set may yet turn out to be enough."""
    setting, metric = state.selected_setting(sweep), sweep.facts["metric"]
    found = recommended(sweep, setting) if complete else None
    sentence = verdict_sentence(state.result(sweep.run.id), metric, len(sweep.facts["layers"]), found)
    icon = MEASURING if found is None else ICONS.get(found["verdict"], UNDECIDED)
    with st.container(border=True, key="verdict"):
        st.subheader(f"{icon} {sentence}", help=help_text("verdict"))
        if found is not None:
            st.markdown(certainty_sentence(found, metric))


def show_key_numbers(sweep: Sweep) -> None:
    """FP32, all layers quantized, and the recommended mix beside each other."""
    metric, unit = sweep.facts["metric"], sweep.facts["metric"]["difference_unit"]
    name = metric["name"].replace("_", " ")
    with st.container(horizontal=True, key="key_numbers"):
        for label, value, delta, size_mb, term in _cards(sweep):
            st.metric(
                f"{label}: {name}",
                metric_value(value, metric),
                megabytes(size_mb) if delta is None else f"{points(delta, unit)}, {megabytes(size_mb)}",
                delta_color="off",
                delta_arrow="off",
                help=help_text(term),
                border=True,
            )


def _cards(sweep: Sweep) -> list[tuple[str, float | None, float | None, float, str]]:
    result, setting = state.result(sweep.run.id), state.selected_setting(sweep)
    fp32, found = result["baseline"], recommended(sweep, setting)
    whole = next(x for x in result["all_quantized_by_setting"] if x["settings"]["key"] == setting.key)
    cards = [("FP32", fp32["value"], None, fp32["size_mb"], "baseline")]
    if whole["value"] is not None:
        cards.append(("All layers quantized", whole["value"], whole["delta"], whole["size_mb"], "all_quantized"))
    if found is not None and found["chosen"]["k"]:
        chosen = found["chosen"]
        label = f"{plural(chosen['k'], 'layer')} in FP32"
        cards.append((label, chosen["value"], chosen["delta"], chosen["size_mb"], "keep_fp32"))
    return cards
