"""A model against FP32 on the same samples: metric, delta with its interval, SQNR, KL, cosine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qdash.records.facts import MetricFacts
from qdash.records.sums import ScoreSums, mean
from qdash.results.decibel import sqnr_db
from qdash.results.rows import ModelOutput, Outcome
from qdash.results.tally import Tallies, Tally
from qdash.stats.bootstrap import FEWEST_SAMPLES, ratio_interval, sqnr_interval_db
from qdash.stats.tango import tango_interval

Interval = tuple[float | None, float | None]
NO_INTERVAL: Interval = (None, None)


@dataclass(frozen=True)
class MetricChange:
    """A metric in its unit, and its difference from another model's on the same samples, with a paired interval."""

    value: float
    delta: float
    low: float
    high: float


def outcomes(tallies: Tallies, subjects: Sequence[Tally], metric: MetricFacts, seed: int) -> list[Outcome]:
    """One per subject, `pending` where nothing was measured yet; subjects with the same batches share resamples."""
    results = [Outcome(None, ModelOutput()) for _ in subjects]
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, subject in enumerate(subjects):
        if len(subject.values("noise")):
            groups.setdefault(tuple(sorted(subject.batches)), []).append(position)
    for positions in groups.values():
        found = _alike([subjects[position] for position in positions], tallies, metric, seed)
        for position, outcome in zip(positions, found, strict=True):
            results[position] = outcome
    return results


def metric_of(tally: Tally, metric: MetricFacts) -> float | None:
    """The metric in its unit, None before the first sample."""
    values = tally.values("outcome")
    return float(values.mean() * metric.factor) if len(values) else None


def metric_change(found: np.ndarray, fp32: np.ndarray, metric: MetricFacts, seed: int) -> MetricChange:
    """The mean of `found`, and its change against outcomes on the same samples."""
    difference = found - fp32
    factor = metric.factor
    if metric.binary and set(np.unique(found)) | set(np.unique(fp32)) <= {0.0, 1.0}:
        gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
        low, high = _tango(gained, lost, len(found))
        if len(found) < FEWEST_SAMPLES:
            low = high = math.nan
    else:
        lows, highs = ratio_interval(difference[:, None], np.ones(len(found)), seed)
        low, high = float(lows[0]), float(highs[0])
    return MetricChange(float(found.mean() * factor), float(difference.mean() * factor), low * factor, high * factor)


def _alike(subjects: Sequence[Tally], tallies: Tallies, metric: MetricFacts, seed: int) -> list[Outcome]:
    """Of subjects with the same batches."""
    baseline, whole = tallies.baseline_of(subjects[0]), tallies.get("baseline").total
    signal, fp32 = baseline.values("signal"), baseline.values("outcome")
    noise = np.stack([subject.values("noise") for subject in subjects], axis=1)
    sqnr = sqnr_interval_db(noise, signal, seed)
    kl = [subject.values("kl") for subject in subjects]
    has_kl = all(len(values) for values in kl)
    kls = ratio_interval(np.stack(kl, axis=1), np.ones(len(signal)), seed) if has_kl else None
    results = []
    for column, subject in enumerate(subjects):
        sums = subject.total
        # An estimate has no outcomes.
        change = metric_change(subject.values("outcome"), fp32, metric, seed) if sums.outcome is not None else None
        results.append(_outcome(sums, whole, float(np.sum(signal)), change, _at(sqnr, column), _at(kls, column)))
    return results


def _outcome(
    sums: ScoreSums, baseline: ScoreSums, signal: float, change: MetricChange | None, sqnr: Interval, kl: Interval
) -> Outcome:
    """signal: the baseline's over the same samples; sums may have their own."""
    flipped = mean(sums.flipped, sums.samples)
    value, delta = (change.value, change.delta) if change else (None, None)
    if sums.noise is None or not math.isfinite(sums.noise):
        return Outcome(value, ModelOutput(status="non_finite", metric_delta=delta, flipped=flipped))
    signal = signal if sums.signal is None else sums.signal
    output = ModelOutput(
        status="ok",
        model_output_sqnr_db=sqnr_db(signal, sums.noise),
        model_output_sqnr_db_low=sqnr[0],
        model_output_sqnr_db_high=sqnr[1],
        model_output_mse=_mse(sums, baseline),
        model_output_kl=None if kl == NO_INTERVAL else mean(sums.kl, sums.samples),
        model_output_kl_low=kl[0],
        model_output_kl_high=kl[1],
        cosine=_cosine(sums.dot, signal, sums.energy),
        metric_delta=delta,
        metric_delta_low=change.low if change else None,
        metric_delta_high=change.high if change else None,
        flipped=flipped,
    )
    return Outcome(value, output)


def _at(bounds: tuple[np.ndarray, np.ndarray] | None, column: int) -> Interval:
    return NO_INTERVAL if bounds is None else (float(bounds[0][column]), float(bounds[1][column]))


def _mse(sums: ScoreSums, baseline: ScoreSums) -> float | None:
    """Mean squared error over all elements; the baseline knows how many a sample has."""
    if sums.noise is None or not sums.samples or not baseline.count or not baseline.samples:
        return None
    return sums.noise / (sums.samples * baseline.count / baseline.samples)


@lru_cache(maxsize=1 << 14)
def _tango(gained: int, lost: int, samples: int) -> tuple[float, float]:
    """Layers share few counts, and a live page asks for all of them every second."""
    low, high = (float(bound) for bound in tango_interval(gained, lost, samples))
    return low, high


def _cosine(dot: float | None, signal: float, energy: float | None) -> float | None:
    """The signed cosine: a sign-flipped output scores −1."""
    if dot is None or energy is None:
        return None
    scale = math.sqrt(signal) * math.sqrt(energy) if signal >= 0 and energy >= 0 else math.nan
    return dot / scale if scale > 0 and math.isfinite(scale) else None
