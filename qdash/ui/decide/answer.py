"""The decide page's limits, its answer in one sentence, and the measured curve."""

from collections.abc import Sequence

import streamlit as st

from qdash import home
from qdash.answers.recommendation import create_measure_run, finer_sets, missing_sets, recommendation
from qdash.answers.stored import Sweep
from qdash.charts.frontier import frontier_figure, frontier_frame
from qdash.jobs import client
from qdash.results.frontier import Choice, Limits, Recommendation
from qdash.results.sentence import certainty_sentence, verdict_sentence
from qdash.results.text import count
from qdash.ui import progress, state
from qdash.ui.chart import show_chart
from qdash.ui.layers.controls import choose_setting
from qdash.ui.start import attempted
from qdash.ui.verdict import ICONS, MEASURING, UNDECIDED, kept_text
from qdash.ui.view import SweepView
from qdash.ui.words import escaped, help_text

BY_K, BY_SIZE = "Layers in FP32", "Size in MB"


def choose_limits(sweep: Sweep) -> Limits:
    """The row of controls: tolerance, and what the set may cost at most; all in the URL."""
    unit = sweep.facts.metric.difference_unit
    st.session_state["drop_chosen"] = state.max_drop_points()
    with st.container(horizontal=True, vertical_alignment="bottom", key="decide_controls"):
        choose_setting(sweep)
        st.number_input(
            f"May lose at most, {unit}" if unit else "May lose at most",
            min_value=0.0,
            step=0.1,
            key="drop_chosen",
            on_change=lambda: state.select_max_drop_points(st.session_state["drop_chosen"]),
            help=help_text("max_drop_points"),
            width=190,
        )
        layers, megabytes = _choose_cost()
    return Limits(state.max_drop_points(), layers, megabytes)


def _choose_cost() -> tuple[int | None, float | None]:
    """At most so many layers in FP32, at most so many MB; None for any."""
    layers = st.number_input(
        "Layers in FP32 at most",
        0,
        None,
        None,
        step=1,
        key="max_fp32",
        bind="query-params",
        placeholder="any",
        help="Only sets with no more layers than this are recommended. Empty: any number.",
        width=190,
    )
    megabytes = st.number_input(
        "Size at most, MB",
        0.0,
        None,
        None,
        key="max_mb",
        bind="query-params",
        placeholder="any",
        format="%.3f",
        step=0.01,
        help=help_text("size_mb"),
        width=190,
    )
    return None if layers is None else int(layers), megabytes


def recommended(view: SweepView, limits: Limits) -> Recommendation:
    """For the selected setting; without a chosen set while nothing allowed is measured."""
    return recommendation(state.store(), view.sweep, view.setting, limits, view.points)


def show_answer(view: SweepView, found: Recommendation, going_on: bool) -> None:
    """Which layers to keep, in one sentence with numbers, and how sure that is."""
    usable = None if going_on or found.chosen is None else found
    layers = len(view.sweep.facts.layers)
    sentence = verdict_sentence(view.answer, view.metric, layers, usable, going_on=going_on)
    if found.frontier and found.chosen is None and not going_on:
        sentence = "No measured set is within the limits on layers and size"
    icon = MEASURING if going_on else ICONS.get(found.verdict, UNDECIDED) if usable else UNDECIDED
    with st.container(border=True, key="decision"):
        st.subheader(f"{icon} {escaped(sentence)}", help=help_text("verdict"))
        if usable is not None:
            st.markdown(kept_text(usable.keep_fp32) + escaped(certainty_sentence(usable, view.metric)))


def show_curve(view: SweepView, found: Recommendation, limits: Limits, yours: Sequence[str]) -> None:
    """The curve with the recommended and the person's set, and buttons that measure what it lacks."""
    metric, fp32 = view.metric, view.answer.baseline.value
    if found.frontier and fp32 is not None:
        axis = st.segmented_control(
            "Over", [BY_K, BY_SIZE], default=BY_K, required=True, key="over", bind="query-params"
        )
        chosen = Choice(found.chosen, found.verdict)
        frame = frontier_frame(found.frontier, [row.layer for row in view.layers], fp32, metric)
        figure = frontier_figure(
            frame, metric, fp32, limits.max_drop_points, chosen, by_size=axis == BY_SIZE, pinned=list(yours)
        )
        show_chart(figure, "decide_frontier")
        st.caption(
            f"Measured: every mark is a mixed model, run on {_samples(found)} evaluation samples, with the 95 % "
            "interval of its difference from FP32. Sets are ranked, chosen and measured on the same samples, which "
            "flatters the chosen one a little.",
            help=help_text("frontier"),
        )
    _offer_measuring(view, limits)


def start_measuring(view: SweepView, sets: Sequence[Sequence[str]] | None) -> str:
    """Queues the measurement of sets, of the recommender's where None, under the selected setting; returns its id."""
    run_id = create_measure_run(state.store(), view.sweep.run.id, keep_sets=sets, setting=view.setting)
    client.enqueue(home.store_url(), run_id)
    return run_id


def _offer_measuring(view: SweepView, limits: Limits) -> None:
    """What of the curve is not measured yet, or lies between the set that is enough and the one that is not."""
    sweep, points = view.sweep, view.points
    if not sweep.run.final or _measuring(sweep):
        return
    missing = missing_sets(sweep, view.layers, points)
    if missing:
        label = f"Measure the {len(missing)} missing sets" if points else "Measure the curve"
        _measure_button(view, label, missing, primary=not points)
    elif finer := finer_sets(sweep, view.layers, points, limits):
        _measure_button(view, "Look for a smaller set in between", finer, primary=False)


def _measure_button(view: SweepView, label: str, sets: Sequence[Sequence[str]], primary: bool) -> None:
    kind = "primary" if primary else "secondary"
    pressed = st.button(label, icon=":material/show_chart:", type=kind, help=help_text("frontier"), key="measure_curve")  # type: ignore[arg-type]
    if pressed and attempted(lambda: start_measuring(view, sets)):
        st.rerun()


def _measuring(sweep: Sweep) -> bool:
    return any(not run.final for run in progress.measurements_of(state.store(), sweep.run))


def _samples(found: Recommendation) -> str:
    """How many samples the sets have, the fewest and the most where they differ."""
    numbers = sorted({point.samples for point in found.frontier})
    return " to ".join(count(number) for number in dict.fromkeys([numbers[0], numbers[-1]]))
