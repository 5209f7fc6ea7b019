"""The JSON of a fine-tuned plan: FP32, quantized, and fine-tuned, on the same samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdash.records import Score
from qdash.results.outcome import metric_change, outcomes
from qdash.results.sweep import baseline_of, described
from qdash.results.tally import Tallies, Tally
from qdash.spec import QatSpec, keep_key

PTQ, QAT = "ptq", "qat"  # the settings under which scores are kept: before the fine-tune, and after


def qat_result(
    run_id: str,
    parent: str | None,
    spec: QatSpec,
    facts: Mapping[str, Any],
    scores: Sequence[Score],
    cost: Mapping[str, Any],
) -> dict[str, Any]:
    """At any moment of a run; what isn't known yet is None."""
    tallies = Tallies(score for score in scores if score.kind != "training")
    subject = keep_key(spec.keep)
    before, after = (tallies.get("measurement", subject, key) for key in (PTQ, QAT))
    measured = outcomes(tallies, [before, after], facts["metric"], spec.sweep.seed)
    ptq, qat = (_model(found, tally) for found, tally in zip(measured, (before, after), strict=True))
    fp32 = baseline_of(facts, tallies)
    return {
        "run_id": run_id,
        "parent": parent,
        "keep_fp32": list(spec.keep),
        "setting": described(spec.setting),
        "training": facts.get("training"),
        "curve": curve(scores),
        "fp32": fp32,
        "ptq": ptq,
        "qat": qat,
        **_recovered(fp32["value"], ptq, qat, before, after, facts["metric"], spec.sweep.seed),
        "weights_file": facts.get("weights_file"),
        "notes": facts["notes"],
        "cost": {"wall_s": cost.get("wall_s"), "cpu_s": cost.get("cpu_s"), "peak_rss_mb": cost.get("peak_rss_mb")},
    }


def curve(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """The mean loss at every step so far."""
    steps = sorted((score for score in scores if score.kind == "training"), key=lambda score: score.batch)
    return [{"step": score.batch, "loss": score.sums["loss"] / score.sums["samples"]} for score in steps]


def _model(found: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    return {
        "value": found["value"],
        "delta": found["metric_delta"],
        "low": found["metric_delta_low"],
        "high": found["metric_delta_high"],
        "sqnr_db": found["model_output_sqnr_db"],
        "kl": found["model_output_kl"],
        "samples": int(tally.sums.get("samples", 0)),
        "status": found["status"],
    }


def _recovered(
    fp32: float | None,
    ptq: Mapping[str, Any],
    qat: Mapping[str, Any],
    before: Tally,
    after: Tally,
    metric: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """The fine-tuned model against the one that was only quantized, paired; and as a share of what quantizing lost."""
    names = ("recovered_points", "recovered_low", "recovered_high", "recovered_share")
    if fp32 is None or set(before.batches) != set(after.batches) or not after.batches:
        return dict.fromkeys(names)
    change = metric_change(after.values("outcome"), before.values("outcome"), metric, seed)
    lost = fp32 - ptq["value"]
    return {
        "recovered_points": change["metric_delta"],
        "recovered_low": change["metric_delta_low"],
        "recovered_high": change["metric_delta_high"],
        "recovered_share": (qat["value"] - ptq["value"]) / lost if lost else None,
    }
