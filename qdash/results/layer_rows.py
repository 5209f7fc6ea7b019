"""The rows of a sweep: from facts and scores to one row per layer under one setting."""

import math
from dataclasses import replace

from qdash.records.facts import LayerFacts, RunFacts
from qdash.records.sums import ScoreSums, mean
from qdash.registry import family
from qdash.results.decibel import sqnr_db, standard_error_db
from qdash.results.decisions import Decided, decided, looks_of
from qdash.results.outcome import metric_of, outcomes
from qdash.results.rows import (
    BeforeTraining,
    Decision,
    EstimateParts,
    KeyedSetting,
    LayerIdentity,
    LayerRow,
    ModelOutput,
    OwnErrors,
    measures_remaining,
)
from qdash.results.tally import Tallies, Tally
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec

NO_PATH = ModelOutput(status="no_path")


def layer_rows(spec: SweepSpec, setting: Setting, facts: RunFacts, tallies: Tallies) -> list[LayerRow]:
    """One row per layer under one setting, in network order, not ranked."""
    keyed, metric, looks = KeyedSetting.of(setting), facts.metric, looks_of(spec, facts)
    found = [tallies.get("layer", layer.layer, keyed.key) for layer in facts.layers]
    outputs = outcomes(tallies, found, metric, spec.seed)
    whole = metric_of(tallies.get("all_quantized", "", keyed.key), metric)
    estimated, remaining = bool(family("methods").create(spec.method).estimates), measures_remaining(spec.method)
    unreachable, rows = set(facts.no_path or ()), []
    for layer, tally, outcome in zip(facts.layers, found, outputs, strict=True):
        baseline, sums = tallies.baseline_of(tally), tally.total
        cumulative = tallies.get("cumulative", layer.layer, keyed.key).total
        decision = decided(looks, tallies, tally, metric.factor)
        parts = (
            _identity(layer, keyed, spec.method),
            own_errors(sums, cumulative),
            NO_PATH if layer.layer in unreachable else _model_output(outcome.output, tally, decision),
            estimate_parts(sums, baseline),
            before_training(sums, baseline, metric.factor),
            decision.decision if decision else Decision(),
        )
        recovered = _difference(outcome.value, whole) if remaining else None
        values = {name: value for part in parts for name, value in vars(part).items()}
        row = LayerRow(**values, estimated=estimated, recovered=recovered, samples=tally.samples, seconds=sums.seconds)
        rows.append(row)
    return rows


def own_errors(sums: ScoreSums, cumulative: ScoreSums) -> OwnErrors:
    """cumulative: at the layer's output with every layer quantized."""
    signal = sums.output_signal
    return OwnErrors(
        weight_sqnr_db=sqnr_db(sums.weight_signal, sums.weight_noise),
        input_sqnr_db=sqnr_db(sums.input_signal, sums.input_noise),
        layer_output_sqnr_db=sqnr_db(signal, sums.output_noise),
        layer_output_mse=mean(sums.output_noise, sums.output_count),
        weights_only_layer_output_sqnr_db=sqnr_db(signal, sums.weights_only_noise),
        inputs_only_layer_output_sqnr_db=sqnr_db(signal, sums.inputs_only_noise),
        cumulative_sqnr_db=sqnr_db(cumulative.signal, cumulative.noise),
    )


def estimate_parts(sums: ScoreSums, baseline: Tally) -> EstimateParts:
    """baseline: over the same samples."""
    signal = float(baseline.values("signal").sum())
    return EstimateParts(
        weights_only_model_output_sqnr_db=sqnr_db(signal, sums.weights_noise),
        inputs_only_model_output_sqnr_db=sqnr_db(signal, sums.inputs_noise),
        loss_change=mean(sums.loss_change, sums.samples),
        model_output_sqnr_db_se=standard_error_db(sums.noise, sums.noise_variance),
    )


def before_training(sums: ScoreSums, baseline: Tally, factor: float) -> BeforeTraining:
    """baseline: over the same samples; factor: of the metric."""
    if sums.ptq_noise is None:
        return BeforeTraining()
    hits, fp32 = sums.ptq_outcome, float(baseline.values("outcome").sum())
    return BeforeTraining(
        ptq_model_output_sqnr_db=sqnr_db(float(baseline.values("signal").sum()), sums.ptq_noise),
        ptq_model_output_kl=mean(sums.ptq_kl, sums.samples),
        ptq_metric_delta=(hits - fp32) / sums.samples * factor if hits is not None and sums.samples else None,
    )


def _identity(layer: LayerFacts, settings: KeyedSetting, method: str) -> LayerIdentity:
    return LayerIdentity(
        layer=layer.layer,
        type=layer.type,
        order=layer.order,
        calls=layer.calls,
        params=layer.params,
        macs=layer.macs,
        note=layer.note,
        settings=settings,
        method=method,
    )


def _model_output(output: ModelOutput, tally: Tally, decided: Decided | None) -> ModelOutput:
    """With the interval of a decision; where only the layer itself is looked at, its own sums say how that went."""
    if decided is not None:
        output = replace(output, metric_delta_low=decided.low, metric_delta_high=decided.high)
    if output.status != "pending" or not tally.sums:
        return output
    own = (tally.total.output_noise, tally.total.weight_noise)
    finite = all(math.isfinite(noise) for noise in own if noise is not None)
    return replace(output, status="ok" if finite else "non_finite")


def _difference(value: float | None, other: float | None) -> float | None:
    return value - other if value is not None and other is not None else None
