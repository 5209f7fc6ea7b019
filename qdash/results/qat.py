"""The JSON of a fine-tuned plan: FP32, quantized, and fine-tuned, on the same samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdash.records.facts import MetricFacts, RunFacts, TrainingFacts
from qdash.records.scores import Score
from qdash.results.models import Baseline, MeasuredModel, baseline_of
from qdash.results.outcome import MetricChange, metric_change, outcomes
from qdash.results.rows import KeyedSetting
from qdash.results.tally import Tallies, Tally
from qdash.spec.layers import keep_key
from qdash.spec.mixed import QatSpec

PTQ, QAT = "ptq", "qat"  # the settings under which scores are kept: before the fine-tune, and after


@dataclass(frozen=True)
class CurveStep:
    """The mean loss of one training step, before it learned."""

    step: int
    loss: float


@dataclass(frozen=True)
class QatCost:
    """What a fine-tune cost so far."""

    wall_s: float | None
    cpu_s: float | None
    peak_rss_mb: float | None


@dataclass(frozen=True)
class QatResult:
    """The JSON of `qat`, field by field; what isn't known yet is None.

    recovered: the fine-tuned model against the one that was only quantized, paired, in the metric's difference unit;
    recovered_share: of what quantizing lost, None where it lost nothing.
    """

    run_id: str
    parent: str | None
    keep_fp32: tuple[str, ...]
    setting: KeyedSetting
    training: TrainingFacts | None
    curve: Sequence[CurveStep]
    fp32: Baseline
    ptq: MeasuredModel
    qat: MeasuredModel
    recovered_points: float | None
    recovered_low: float | None
    recovered_high: float | None
    recovered_share: float | None
    weights_file: str | None
    notes: tuple[str, ...]
    cost: QatCost


def qat_result(
    run_id: str, parent: str | None, spec: QatSpec, facts: RunFacts, scores: Sequence[Score], cost: Mapping[str, float]
) -> QatResult:
    """At any moment of a run."""
    tallies = Tallies(score for score in scores if score.kind != "training")
    subject = keep_key(spec.keep)
    before, after = (tallies.get("measurement", subject, key) for key in (PTQ, QAT))
    measured = outcomes(tallies, [before, after], facts.metric, spec.sweep.seed)
    ptq, qat = (MeasuredModel.of(found, tally) for found, tally in zip(measured, (before, after), strict=True))
    fp32 = baseline_of(facts, tallies)
    recovered = _recovered(before, after, facts.metric, spec.sweep.seed)
    return QatResult(
        run_id=run_id,
        parent=parent,
        keep_fp32=spec.keep,
        setting=KeyedSetting.of(spec.setting),
        training=facts.training,
        curve=curve(scores),
        fp32=fp32,
        ptq=ptq,
        qat=qat,
        recovered_points=recovered.delta if recovered else None,
        recovered_low=recovered.low if recovered else None,
        recovered_high=recovered.high if recovered else None,
        recovered_share=_share(fp32.value, ptq.value, qat.value) if recovered else None,
        weights_file=facts.weights_file,
        notes=facts.notes,
        cost=QatCost(cost.get("wall_s"), cost.get("cpu_s"), cost.get("peak_rss_mb")),
    )


def curve(scores: Sequence[Score]) -> list[CurveStep]:
    """The mean loss at every step so far."""
    steps = sorted((score for score in scores if score.kind == "training"), key=lambda score: score.batch)
    return [CurveStep(score.batch, score.sums["loss"] / score.sums["samples"]) for score in steps]


def _recovered(before: Tally, after: Tally, metric: MetricFacts, seed: int) -> MetricChange | None:
    """The fine-tuned model against the one that was only quantized, paired; None while samples are missing."""
    if set(before.batches) != set(after.batches) or not after.batches:
        return None
    return metric_change(after.values("outcome"), before.values("outcome"), metric, seed)


def _share(fp32: float | None, ptq: float | None, qat: float | None) -> float | None:
    """Of what quantizing lost; None where it lost nothing."""
    if fp32 is None or ptq is None or qat is None or fp32 == ptq:
        return None
    return (qat - ptq) / (fp32 - ptq)
