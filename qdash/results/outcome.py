"""A model against FP32 on the same samples: metric, delta with its interval, SQNR, KL, cosine."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from qdash.results.decibel import sqnr_db
from qdash.results.tally import Tallies, Tally
from qdash.stats.bootstrap import FEWEST_SAMPLES, ratio_interval, sqnr_interval_db
from qdash.stats.tango import tango_interval

EMPTY: dict[str, Any] = dict.fromkeys(
    (
        "value",
        "model_output_sqnr_db",
        "model_output_sqnr_db_low",
        "model_output_sqnr_db_high",
        "model_output_mse",
        "model_output_kl",
        "model_output_kl_low",
        "model_output_kl_high",
        "cosine",
        "metric_delta",
        "metric_delta_low",
        "metric_delta_high",
        "flipped",
    )
)


def outcomes(tallies: Tallies, subjects: Sequence[Tally], metric: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """One dictionary per subject with the keys of EMPTY and `status`; subjects with the same batches share resamples.

    `status`: `ok`, `non_finite`, or `pending` where nothing was measured yet. Values are in the metric's unit.
    """
    results: list[dict[str, Any]] = [dict(EMPTY, status="pending") for _ in subjects]
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, subject in enumerate(subjects):
        if len(subject.values("noise")):
            groups.setdefault(tuple(sorted(subject.batches)), []).append(position)
    for positions in groups.values():
        _fill(results, positions, subjects, tallies, metric, seed)
    return results


def baseline_value(baseline: Tally, metric: Mapping[str, Any]) -> float | None:
    """The FP32 metric in its unit, None before the first sample."""
    values = baseline.values("outcome")
    return float(values.mean() * metric["factor"]) if len(values) else None


def _fill(
    results: list[dict[str, Any]],
    positions: list[int],
    subjects: Sequence[Tally],
    tallies: Tallies,
    metric: Mapping[str, Any],
    seed: int,
) -> None:
    baseline = tallies.baseline_of(subjects[positions[0]])
    signal = baseline.values("signal")
    noise = np.stack([subjects[p].values("noise") for p in positions], axis=1)
    sqnr_low, sqnr_high = sqnr_interval_db(noise, signal, seed)
    kl = [subjects[p].values("kl") for p in positions]
    has_kl = all(len(values) for values in kl)
    kl_low, kl_high = ratio_interval(np.stack(kl, axis=1), np.ones(len(signal)), seed) if has_kl else (None, None)
    for column, position in enumerate(positions):
        tally, row = subjects[position], results[position]
        sums = tally.sums
        row["status"] = "ok" if math.isfinite(sums["noise"]) else "non_finite"
        total = float(np.sum(signal)) if "signal" not in sums else sums["signal"]
        row["model_output_sqnr_db"] = sqnr_db(total, sums["noise"])
        row["model_output_mse"] = _mse(sums, tallies.get("baseline").sums)
        row["model_output_sqnr_db_low"], row["model_output_sqnr_db_high"] = sqnr_low[column], sqnr_high[column]
        if "dot" in sums:
            row["cosine"] = _cosine(sums["dot"], total, sums["energy"])
        if has_kl and kl_low is not None and kl_high is not None:
            row["model_output_kl"] = sums["kl"] / sums["samples"]
            row["model_output_kl_low"], row["model_output_kl_high"] = kl_low[column], kl_high[column]
        if "flipped" in sums:
            row["flipped"] = sums["flipped"] / sums["samples"]
        if "outcome" in sums:  # an estimate has none
            row |= metric_change(tally.values("outcome"), baseline.values("outcome"), metric, seed)
        if row["status"] != "ok":
            row |= {key: None for key in EMPTY if key not in ("value", "metric_delta", "flipped")}


def metric_change(found: np.ndarray, fp32: np.ndarray, metric: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """`value`, and `metric_delta` with its paired 95 % interval against outcomes on the same samples."""
    difference = found - fp32
    factor = metric["factor"]
    if metric["binary"] and set(np.unique(found)) | set(np.unique(fp32)) <= {0.0, 1.0}:
        gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
        low, high = _tango(gained, lost, len(found))
        if len(found) < FEWEST_SAMPLES:
            low = high = math.nan
    else:
        lows, highs = ratio_interval(difference[:, None], np.ones(len(found)), seed)
        low, high = float(lows[0]), float(highs[0])
    return {
        "value": float(found.mean() * factor),
        "metric_delta": float(difference.mean() * factor),
        "metric_delta_low": low * factor,
        "metric_delta_high": high * factor,
    }


def _mse(sums: Mapping[str, float], baseline: Mapping[str, float]) -> float | None:
    """Mean squared error over all elements; the baseline knows how many a sample has."""
    if not baseline.get("count"):
        return None
    return sums["noise"] / (sums["samples"] * baseline["count"] / baseline["samples"])


@lru_cache(maxsize=1 << 14)
def _tango(gained: int, lost: int, samples: int) -> tuple[float, float]:
    """Layers share few counts, and a live page asks for all of them every second."""
    low, high = (float(bound) for bound in tango_interval(gained, lost, samples))
    return low, high


def _cosine(dot: float, signal: float, energy: float) -> float | None:
    """The signed cosine: a sign-flipped output scores −1."""
    scale = math.sqrt(signal) * math.sqrt(energy) if signal >= 0 and energy >= 0 else math.nan
    return dot / scale if scale > 0 and math.isfinite(scale) else None
