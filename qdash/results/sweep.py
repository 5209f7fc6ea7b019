"""The JSON of a sweep (DESIGN contract): from facts and scores, at any moment of a run."""

import math
from collections.abc import Mapping
from typing import Any

from qdash.registry import family
from qdash.results.decibel import sqnr_db, standard_error_db
from qdash.results.decisions import decided, looks_of
from qdash.results.leave_one_out import leaves_one_out
from qdash.results.outcome import baseline_value, outcomes
from qdash.results.ranking import default_ranking, ranked
from qdash.results.size import fp32_mb, size_mb
from qdash.results.tally import Tallies, Tally
from qdash.spec import Setting, SweepSpec

SCHEMA_VERSION = 1


def sweep_result(
    run_id: str, spec: SweepSpec, facts: Mapping[str, Any], tallies: Tallies, cost: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole sweep JSON; infinities are floats here, `results.plain` makes them text."""
    by_setting = [all_quantized(facts, setting, tallies, spec.seed) for setting in spec.settings()]
    rows = [row for setting in spec.settings() for row in layer_rows(spec, setting, facts, tallies)]
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "model": spec.model,
        "data": spec.data,
        "spec": spec.model_dump(mode="json"),
        "environment": facts["environment"],
        "coverage": facts["coverage"],
        "samples": facts["samples"],
        "notes": facts["notes"],
        "baseline": baseline_of(facts, tallies),
        "all_quantized": by_setting[0],
        "all_quantized_by_setting": by_setting,
        "ranked_by": default_ranking(rows),
        "layers": ranked(rows),
        "cost": _cost(cost, facts),
    }


def setting_result(spec: SweepSpec, setting: Setting, facts: Mapping[str, Any], tallies: Tallies) -> dict[str, Any]:
    """Of the sweep JSON the keys `baseline`, `all_quantized`, `ranked_by` and `layers`, for one setting."""
    rows = layer_rows(spec, setting, facts, tallies)
    return {
        "baseline": baseline_of(facts, tallies),
        "all_quantized": all_quantized(facts, setting, tallies, spec.seed),
        "ranked_by": default_ranking(rows),
        "layers": ranked(rows),
    }


def baseline_of(facts: Mapping[str, Any], tallies: Tallies) -> dict[str, Any]:
    """The FP32 model on the samples so far."""
    metric, tally = facts["metric"], tallies.get("baseline")
    return {
        "metric": metric["name"],
        "unit": metric["unit"],
        "value": baseline_value(tally, metric),
        "samples": len(tally.values("outcome")),
        "size_mb": fp32_mb(facts),
    }


def all_quantized(facts: Mapping[str, Any], setting: Setting, tallies: Tallies, seed: int) -> dict[str, Any]:
    """The model with every layer quantized under one setting."""
    tally = tallies.get("all_quantized", "", setting.key)
    (found,) = outcomes(tallies, [tally], facts["metric"], seed)
    return {
        "settings": described(setting),
        "value": found["value"],
        "delta": found["metric_delta"],
        "delta_low": found["metric_delta_low"],
        "delta_high": found["metric_delta_high"],
        "sqnr_db": found["model_output_sqnr_db"],
        "kl": found["model_output_kl"],
        "flipped": found["flipped"],
        "size_mb": size_mb(facts, setting),
        "samples": int(tally.sums.get("samples", 0)),
        "status": found["status"],
    }


def layer_rows(spec: SweepSpec, setting: Setting, facts: Mapping[str, Any], tallies: Tallies) -> list[dict[str, Any]]:
    """One row per layer under one setting, in network order."""
    found = [tallies.get("layer", layer["layer"], setting.key) for layer in facts["layers"]]
    outputs = outcomes(tallies, found, facts["metric"], spec.seed)
    looks = looks_of(spec, facts)
    whole = tallies.get("all_quantized", "", setting.key)
    (all_outcome,) = outcomes(tallies, [whole], facts["metric"], spec.seed)
    rows = []
    for layer, tally, output in zip(facts["layers"], found, outputs, strict=True):
        cumulative = tallies.get("cumulative", layer["layer"], setting.key)
        parts = estimate_parts(tally, tallies.baseline_of(tally))
        row = _identity(layer, spec, setting) | local(tally, cumulative) | output | parts
        row |= before_training(tally, tallies.baseline_of(tally), facts["metric"]["factor"])
        row |= decided(looks, tallies, tally, facts["metric"]["factor"])
        row["estimated"] = family("methods").create(spec.method).estimates
        if row["status"] == "pending" and tally.sums:
            finite = all(math.isfinite(tally.sums.get(name, 0.0)) for name in ("output_noise", "weight_noise"))
            row["status"] = "ok" if finite else "non_finite"
        value, base = row.pop("value"), all_outcome["value"]
        leave = leaves_one_out(spec.method) and value is not None and base is not None
        row["recovered"] = value - base if leave else None
        row["samples"], row["seconds"] = int(tally.sums.get("samples", 0)), tally.sums.get("seconds")
        rows.append(row)
    return rows


def local(tally: Tally, cumulative: Tally) -> dict[str, Any]:
    """The layer's own errors in dB, and its MSE."""
    sums = tally.sums.get
    noise, count = sums("output_noise"), sums("output_count")
    signal = sums("output_signal")
    return {
        "weight_sqnr_db": sqnr_db(sums("weight_signal"), sums("weight_noise")),
        "input_sqnr_db": sqnr_db(sums("input_signal"), sums("input_noise")),
        "layer_output_sqnr_db": sqnr_db(signal, noise),
        "layer_output_mse": noise / count if noise is not None and count else None,
        "weights_only_layer_output_sqnr_db": sqnr_db(signal, sums("weights_only_noise")),
        "inputs_only_layer_output_sqnr_db": sqnr_db(signal, sums("inputs_only_noise")),
        "cumulative_sqnr_db": sqnr_db(cumulative.sums.get("signal"), cumulative.sums.get("noise")),
    }


def estimate_parts(tally: Tally, baseline: Tally) -> dict[str, Any]:
    """What only a gradient estimate tells: the parts of weights and inputs at the model's output, the loss change, and
    how far the random signs let the SQNR stray from that of many passes on the same samples."""
    signal, sums = float(baseline.values("signal").sum()), tally.sums.get
    change, samples = sums("loss_change"), sums("samples")
    return {
        "weights_only_model_output_sqnr_db": sqnr_db(signal, sums("weights_noise")),
        "inputs_only_model_output_sqnr_db": sqnr_db(signal, sums("inputs_noise")),
        "loss_change": change / samples if change is not None and samples else None,
        "model_output_sqnr_db_se": standard_error_db(sums("noise"), sums("noise_variance")),
    }


def before_training(tally: Tally, baseline: Tally, factor: float) -> dict[str, Any]:
    """What a fine-tuned layer did before that, quantized alone as now; null for others."""
    signal, sums = float(baseline.values("signal").sum()), tally.sums.get
    kl, hits, samples = sums("ptq_kl"), sums("ptq_outcome"), sums("samples")
    fp32 = baseline.values("outcome").sum()
    return {
        "ptq_model_output_sqnr_db": sqnr_db(signal, sums("ptq_noise")),
        "ptq_model_output_kl": kl / samples if kl is not None and samples else None,
        "ptq_metric_delta": (hits - fp32) / samples * factor if hits is not None and samples else None,
    }


def described(setting: Setting) -> dict[str, Any]:
    """A setting as JSON, with its key."""
    return setting.model_dump(mode="json") | {"key": setting.key}


def _identity(layer: Mapping[str, Any], spec: SweepSpec, setting: Setting) -> dict[str, Any]:
    shown = ("layer", "type", "order", "calls", "params", "macs", "note")
    return {key: layer[key] for key in shown} | {"settings": described(setting), "method": spec.method}


def _cost(cost: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    one_pass = facts["macs_per_sample"] * facts["samples"]["evaluation"]
    macs = cost.get("macs", 0.0)
    return {
        "wall_s": cost.get("wall_s"),
        "cpu_s": cost.get("cpu_s"),
        "forward_equivalents": macs / one_pass if one_pass else None,
        "peak_rss_mb": cost.get("peak_rss_mb"),
    }
