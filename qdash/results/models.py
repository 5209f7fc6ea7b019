"""Whole models as they were measured: FP32, with every layer quantized, mixed."""

from dataclasses import dataclass

from qdash.records.facts import RunFacts
from qdash.results.outcome import metric_of, outcomes
from qdash.results.rows import KeyedSetting, Outcome, Status
from qdash.results.size import fp32_mb, size_mb
from qdash.results.tally import Tallies, Tally
from qdash.spec.setting import Setting


@dataclass(frozen=True)
class Baseline:
    """The FP32 model: its metric in its unit, None before the first sample; size: 10⁶ bytes."""

    metric: str
    unit: str
    value: float | None
    samples: int
    size_mb: float


@dataclass(frozen=True)
class AllQuantized:
    """Every layer quantized: the metric in its unit, its change against FP32 with a 95 % interval, KL in nats."""

    settings: KeyedSetting
    value: float | None
    delta: float | None
    delta_low: float | None
    delta_high: float | None
    sqnr_db: float | None
    kl: float | None
    flipped: float | None
    size_mb: float
    samples: int
    status: Status


@dataclass(frozen=True)
class MeasuredModel:
    """A mixed model against FP32, with the 95 % interval of the change in the metric's difference unit."""

    value: float | None
    delta: float | None
    low: float | None
    high: float | None
    sqnr_db: float | None
    kl: float | None
    samples: int
    status: Status

    @classmethod
    def of(cls, found: Outcome, tally: Tally) -> "MeasuredModel":
        """tally: what the outcome was made from."""
        output = found.output
        return cls(
            value=found.value,
            delta=output.metric_delta,
            low=output.metric_delta_low,
            high=output.metric_delta_high,
            sqnr_db=output.model_output_sqnr_db,
            kl=output.model_output_kl,
            samples=tally.samples,
            status=output.status,
        )


def baseline_of(facts: RunFacts, tallies: Tallies) -> Baseline:
    """The FP32 model on the samples so far."""
    metric, tally = facts.metric, tallies.get("baseline")
    samples = len(tally.values("outcome"))
    return Baseline(metric.name, metric.unit, metric_of(tally, metric), samples, fp32_mb(facts))


def all_quantized(facts: RunFacts, setting: Setting, tallies: Tallies, seed: int) -> AllQuantized:
    """The model with every layer quantized under one setting."""
    keyed = KeyedSetting.of(setting)
    tally = tallies.get("all_quantized", "", keyed.key)
    (found,) = outcomes(tallies, [tally], facts.metric, seed)
    output = found.output
    return AllQuantized(
        settings=keyed,
        value=found.value,
        delta=output.metric_delta,
        delta_low=output.metric_delta_low,
        delta_high=output.metric_delta_high,
        sqnr_db=output.model_output_sqnr_db,
        kl=output.model_output_kl,
        flipped=output.flipped,
        size_mb=size_mb(facts, setting),
        samples=tally.samples,
        status=output.status,
    )
