"""What a first look at a model and its data found: counts, coverage, samples, layers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from qdash.records.facts import OutputFacts, Pixels, Preview, PreviewSample, RunFacts, SkippedModule, WeightFacts
from qdash.results.text import count, large, metric_value, plural, share
from qdash.store.runs import Run
from qdash.ui import state
from qdash.ui.describe import when
from qdash.ui.words import escaped, help_text

PICTURE = 88  # pixels of a sample on the screen


def show_first_look(run: Run) -> None:
    """The facts of a first look or of an earlier sweep of the same model and data."""
    facts = state.facts(run)
    if facts is None:
        return
    st.markdown(loaded_sentence(facts))
    st.caption(f"Looked at {when(run.finished or run.created)} on {facts.environment.device}.")
    for note in facts.notes:
        st.caption(f":material/info: {escaped(note)}")
    if facts.outputs and len(facts.outputs) > 1:
        st.dataframe(outputs_frame(facts.outputs), hide_index=True, key="look_outputs")
    _show_numbers(facts)
    _show_skipped(facts.coverage.skipped)
    if facts.preview:
        _show_samples(facts.preview)
    with st.expander(f"All {plural(len(facts.layers), 'layer')}", icon=":material/table_rows:", key="look_layers"):
        st.dataframe(layers_frame(facts), hide_index=True, height=300, key="look_layers_table")


def loaded_sentence(facts: RunFacts) -> str:
    """What was loaded, in one sentence."""
    coverage, samples = facts.coverage, facts.samples
    found = f"**{plural(coverage.layers, 'layer')}** can be quantized"
    shares = f"{share(coverage.params_share)} of the parameters, {share(coverage.macs_share)} of the work"
    used = f"{plural(samples.evaluation, 'evaluation sample')}, {plural(samples.calibration, 'calibration sample')}"
    return f"{found} ({shares}); {used}."


def outputs_frame(outputs: Sequence[OutputFacts]) -> pd.DataFrame:
    """One row per floating output: name, shape with N samples, whether it is judged."""
    rows = [(found.name, " × ".join(map(str, ("N", *found.shape))), found.judged) for found in outputs]
    return pd.DataFrame(rows, columns=["Output", "Shape", "Judged"])


def layers_frame(facts: RunFacts) -> pd.DataFrame:
    """One row per layer in network order: name, type, parameters, multiply-accumulates, weight shapes."""
    rows = [
        (layer.layer, layer.type, layer.params, layer.macs, ", ".join(map(_shape_text, layer.weights.values())))
        for layer in facts.layers
    ]
    return pd.DataFrame(rows, columns=["Layer", "Type", "Parameters", "MACs per sample", "Weights"])


def _shape_text(weight: WeightFacts) -> str:
    return "×".join(map(str, weight.shape))


def picture(pixels: Pixels, side: int = PICTURE) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8, enlarged by whole factors so that every pixel stays a square."""
    array = np.asarray(pixels, dtype=np.uint8)
    factor = max(1, side // max(array.shape[:2]))
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def sample_text(sample: PreviewSample) -> str:
    """Label and prediction of one sample."""
    label, predicted = sample.label, sample.predicted
    if label is None:
        return "no label" if predicted is None else f"says {predicted}"
    if predicted is None:
        return f"label {label}"
    return f"{label}, says {predicted}" + ("" if label == predicted else " ✗")


def _show_numbers(facts: RunFacts) -> None:
    baseline = facts.baseline
    with st.container(horizontal=True, key="look_numbers"):
        st.metric("Layers", count(facts.coverage.layers), help=help_text("coverage"), border=True)
        st.metric("Parameters", large(facts.params), help=help_text("params"), border=True)
        st.metric("MACs per sample", large(facts.macs_per_sample), help=help_text("macs"), border=True)
        if baseline:
            label = f"FP32 {baseline.metric.replace('_', ' ')}, {plural(baseline.samples, 'sample')}"
            value = metric_value(baseline.value, facts.metric)
            st.metric(label, value, help=help_text("baseline"), border=True)


def _show_skipped(skipped: Sequence[SkippedModule]) -> None:
    if not skipped:
        return
    label = f"{plural(len(skipped), 'module')} with weights stay as they are"
    with st.expander(label, icon=":material/block:", key="look_skipped"):
        rows = [(module.name, module.type, module.params, module.reason) for module in skipped]
        frame = pd.DataFrame(rows, columns=["Module", "Type", "Parameters", "Why"])
        st.dataframe(frame, hide_index=True, key="look_skipped_table")


def _show_samples(preview: Preview) -> None:
    st.caption("Samples: label, and what FP32 says")
    with st.container(horizontal=True, key="look_samples"):
        for sample in preview.samples:
            text = sample_text(sample)
            if sample.pixels is not None:
                st.image(picture(sample.pixels), caption=text, width=PICTURE, alt=f"Input sample: {text}")
            else:
                st.text(f"{sample.text}: {text}")
