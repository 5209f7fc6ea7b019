"""What a sweep will cost, before it starts, and whether it has been run before."""

import math

import streamlit as st

from qdash.answers.cost import estimate
from qdash.records.facts import RunFacts
from qdash.results.text import count, duration, plural
from qdash.spec.sweep import SweepSpec
from qdash.store.store import Store
from qdash.ui.start import same_runs
from qdash.ui.words import help_text


def show_cost(spec: SweepSpec, known: RunFacts | None) -> None:
    """The work in forward passes and, where a first look timed one, in time."""
    settings = plural(len(spec.settings()), "setting")
    if known is None:
        st.caption(f"{settings}. Look at the model first to see what the sweep will cost.")
        return
    st.markdown(cost_sentence(spec, known), help=help_text("forwards"))


def cost_sentence(spec: SweepSpec, facts: RunFacts) -> str:
    """Layers × settings, forwards, time."""
    layers = [layer for layer in facts.by_layer if spec.selects(layer)]
    if not layers:
        return f"No layer matches {spec.layers!r}. Write a pattern that matches a whole name, such as *conv*."
    work = estimate(spec, facts)
    samples = min(spec.samples or facts.samples.evaluation, facts.samples.evaluation)
    what = f"{plural(len(layers), 'layer')} × {plural(len(spec.settings()), 'setting')}"
    passes = f"about **{count(max(1, work.forward_equivalents))} forward passes** over {plural(samples, 'sample')}"
    seconds = work.seconds
    time = f", about **{duration(max(1.0, seconds))}** of pure arithmetic here" if math.isfinite(seconds) else ""
    return f"Estimated: {what}, {passes}{time}."


def show_same_runs(store: Store, spec: SweepSpec) -> None:
    """Points to an earlier run with the very same settings."""
    same = same_runs(store, spec)
    if same:
        with st.container(horizontal=True, vertical_alignment="center", key="new_same"):
            st.warning("A run with the very same settings exists.", icon=":material/content_copy:")
            st.page_link(
                "pages/overview.py",
                label=f"Open run {same[0]}",
                icon=":material/open_in_new:",
                query_params={"run": same[0]},
            )
