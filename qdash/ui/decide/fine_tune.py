"""Fine-tuning a mixed model from the page: start it, watch its loss, see what it wins back."""

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from qdash import home
from qdash.answers.stored import QatRun, load_qat
from qdash.charts.training import curve_figure, curve_frame, models_figure, models_frame
from qdash.jobs import client
from qdash.modes.qat import Loss, Qat
from qdash.records.facts import MetricFacts, TrainingFacts
from qdash.results.qat import QatResult
from qdash.results.text import count, metric_value, plural, points, share
from qdash.store.runs import Run
from qdash.ui import progress, state
from qdash.ui.chart import show_chart
from qdash.ui.describe import words
from qdash.ui.start import attempted
from qdash.ui.view import SweepView
from qdash.ui.words import escaped, help_text

STEPS = 200
LOSSES = tuple(loss for loss in get_args(Loss) if loss != "auto")


def show_fine_tune(view: SweepView, keep: Sequence[str]) -> None:
    """The newest fine-tune of the sweep, and a form that starts one which keeps `keep` in FP32."""
    st.subheader("Fine-tune under quantization", help=help_text("qat"))
    run = view.sweep.run
    runs = state.store().runs.list(kind="qat", parent=run.id, limit=1)
    latest = runs[0] if runs else None
    if latest is None:
        st.caption(escaped(_offer(keep)))
    else:
        _watch(latest.id, moving=not latest.final)
    if (latest is None or latest.final) and run.final:
        _form(view, keep)


def start_fine_tune(view: SweepView, keep: Sequence[str], training: str) -> str:
    """Queues a fine-tune under the selected setting; returns its id."""
    from qdash.answers.recommendation import create_qat_run

    run_id = create_qat_run(state.store(), view.sweep.run.id, keep, view.setting, training)
    client.enqueue(home.store_url(), run_id)
    return run_id


def answer_sentence(result: QatResult, metric: MetricFacts) -> str:
    """Accuracy before and after, and what of the loss is won back."""
    fp32, ptq, qat = (metric_value(model.value, metric) for model in (result.fp32, result.ptq, result.qat))
    kept = f"with {plural(len(result.keep_fp32), 'layer')} in FP32" if result.keep_fp32 else "every layer quantized"
    text = f"Fine-tuned, {kept}: {metric.words} {qat} against {ptq} without and {fp32} in FP32"
    won, part = result.recovered_points, result.recovered_share
    if part is None or won is None or part <= 0:
        return f"{text}, {points(won, metric.difference_unit)}"
    if part >= 1:
        return f"{text}: all that quantizing lost is won back"
    return f"{text}: {share(part)} of what quantizing lost is won back"


def _watch(run_id: str, moving: bool) -> None:
    @st.fragment(run_every=progress.POLL_S if moving else None)
    def part() -> None:
        run = state.store().runs.get(run_id)
        if moving and run.final:
            st.rerun()
        _show_run(run)

    part()


def _show_run(run: Run) -> None:
    if not run.final:
        progress.see_that_a_worker_runs(run)
    if run.status != "done":
        progress.show_progress(run)
        progress.show_trouble(run)
        progress.show_controls(run)
    if run.facts is not None:
        _show_result(load_qat(state.store(), run.id))


def _show_result(found: QatRun) -> None:
    result, metric = found.result(), found.facts.metric
    if result.recovered_points is not None:
        st.markdown(f"**{escaped(answer_sentence(result, metric))}**")
    loss, models = st.columns(2, gap="medium")
    with loss:
        show_chart(curve_figure(curve_frame(result.curve), result.training), "qat_loss")
    with models:
        show_chart(models_figure(models_frame(result, metric), result, metric), "qat_models")
    if result.training:
        st.caption(escaped(_how(result.training, result.fp32.samples)))
    if result.weights_file and found.run.status == "done":
        _offer_weights(result.weights_file)


def _how(training: TrainingFacts, samples: int) -> str:
    """samples: that it was measured on."""
    how = f"{training.epochs:.1f} epochs on {count(training.samples)} training samples, {training.loss}"
    scales = ", scales learned too" if training.learned_scale else ""
    measured = f" Measured on {plural(samples, 'sample')}." if samples else ""
    return f"{how}{scales}. No training sample is evaluated.{measured}"


def _offer_weights(name: str) -> None:
    path = home.artifacts() / name
    if path.exists():
        st.download_button(
            "Download the weights",
            path.read_bytes,
            file_name="fine-tuned.safetensors",
            icon=":material/download:",
            on_click="ignore",
            help="A .safetensors with the model's own names, weights on their grid, and the scales. Loads with "
            "load_state_dict or --weights.",
        )


def _offer(keep: Sequence[str]) -> str:
    kept = f"the {plural(len(keep), 'layer')} above in FP32" if keep else "every layer quantized"
    return f"A short training with {kept} lets the weights adapt to their grid. It needs no labels."


def _form(view: SweepView, keep: Sequence[str]) -> None:
    fields = Qat.model_fields
    with st.form("qat_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.number_input("Steps", 1, None, STEPS, step=50, help=fields["steps"].description, width=140)
        rate = st.number_input(
            "Learning rate",
            min_value=0.0001,
            value=0.01,
            step=0.001,
            format="%g",
            help=fields["learning_rate"].description,
            width=140,
        )
        loss = st.selectbox("Loss", LOSSES, format_func=words, help=fields["loss"].description, width=170)
        scales = st.toggle("Learn scales", help=fields["learned_scale"].description)
        pressed = st.form_submit_button("Fine-tune", icon=":material/model_training:")
    text = f"qat:steps={steps}:learning_rate={rate:g}:loss={loss}" + (":learned_scale=true" if scales else "")
    if pressed and attempted(lambda: start_fine_tune(view, keep, text)):
        st.rerun()
