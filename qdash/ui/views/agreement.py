"""How far an estimate can be trusted: what has been measured of it, and a button that measures more."""

from collections.abc import Collection
from typing import ClassVar

import pandas as pd
import streamlit as st

from qdash.answers.agreement import worst_unmeasured
from qdash.charts.agreement import agreement_figure, agreement_frame, kl_spearman
from qdash.results.agreement import correlation
from qdash.results.text import plural
from qdash.store.runs import Run
from qdash.ui import progress, state
from qdash.ui.chart import show_chart
from qdash.ui.layers.agreement import measured_in, runs_of
from qdash.ui.layers.view import LayerView
from qdash.ui.start import attempted, start_measuring_layers
from qdash.ui.views.base import REGISTRY, View
from qdash.ui.words import escaped, help_text

FIRST = 5  # layers that one click measures
NOTHING_YET = (
    "Gradients rank and pre-screen; a measurement decides. Measure the worst layers, and this picture shows how near "
    "the estimate was."
)


@REGISTRY.register("agreement")
class EstimatedAndMeasured(View):
    """How far an estimate can be trusted: what has been measured of it, and a button that measures more."""

    label: ClassVar[str] = "Agreement"
    order: ClassVar[int] = 60

    def fits(self, view: LayerView) -> bool:
        """Only where the method estimates."""
        return view.estimated

    def draw(self, view: LayerView) -> None:
        """The points, what they say, and the way to more of them."""
        runs = runs_of(view.sweep, view.setting)
        measured = measured_in(runs, view.setting)
        frame = agreement_frame(view.layers, measured, view.types)
        show_chart(agreement_figure(frame, selected=view.shown), "layers_agreement", select=True)
        st.caption(_reading(frame) if len(frame) else NOTHING_YET, help=help_text("agreement"))
        going = [run for run in runs if not run.final]
        for run in going:
            _watch(run)
        if not going:
            if runs and runs[0].status != "done" and runs[0].parent == view.sweep.run.id:
                _tell_of(runs[0])
            _offer(view, measured)


def _watch(run: Run) -> None:
    progress.see_that_a_worker_runs(run)
    progress.show_progress(run)
    label = f"{run.title or 'A measurement'}: watch it live"
    st.page_link("pages/live.py", label=label, icon=":material/monitoring:", query_params={"run": run.id})


def _tell_of(run: Run) -> None:
    said = f"The last measurement here is {run.status}{f': {run.error}' if run.error else ''}."
    st.caption(escaped(said))
    st.page_link("pages/live.py", label="Look at it", icon=":material/monitoring:", query_params={"run": run.id})


def _reading(frame: pd.DataFrame) -> str:
    samples = int(frame["samples"].max())
    said = (
        "On the dashed line both are the same. Bars are 95 % intervals: of the samples for the measurement, of the "
        "random signs for the estimate. Layers whose bars overlap have no sure order. "
        f"Measured on {plural(samples, 'sample')}."
    )
    kl = kl_spearman(frame)
    return said if kl is None else f"{said} In KL: Spearman {correlation(kl)}."


def _offer(view: LayerView, measured: Collection[str]) -> None:
    """Measures the k worst layers that are not measured yet, on a click."""
    left = worst_unmeasured(view.layers, measured)
    if not left:
        st.caption("Every layer that can be chosen by its name is measured.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="agreement_offer"):
        many = st.number_input(
            "Layers",
            1,
            len(left),
            min(FIRST, len(left)),
            key=f"agreement_layers_{len(left)}",
            width=130,
            help=f"The most sensitive ones by the estimate, of {len(left)} that are not measured yet.",
        )
        pressed = st.button(
            _label(int(many), len(left), bool(measured)),
            icon=":material/science:",
            type="primary",
            key="agreement_measure",
            help="Runs the model on the same samples with only that layer quantized, for each of them.",
        )
    if pressed and attempted(lambda: _start(view, left[: int(many)])):
        st.rerun()


def _label(many: int, left: int, some: bool) -> str:
    if many == left:
        return f"Measure the remaining {many} exactly" if some else f"Measure all {many} exactly"
    which = "next worst" if some else "worst"
    return f"Measure the {which} exactly" if many == 1 else f"Measure the {many} {which} exactly"


def _start(view: LayerView, layers: list[str]) -> str:
    return start_measuring_layers(state.store(), view.sweep, view.setting, layers)
