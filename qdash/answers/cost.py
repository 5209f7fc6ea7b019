"""What a sweep will cost, told before it starts."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from qdash.registry import family
from qdash.spec import SweepSpec


def estimate(spec: SweepSpec, facts: Mapping[str, Any]) -> dict[str, float]:
    """`forward_equivalents` over the evaluation samples, and `seconds` where the probe timed a forward.

    `facts`: of a probe or an earlier run of the same model and data. Counts calibration, FP32, the all-quantized model
    and every layer, with its fine-tune where the mode trains; what quantizing itself costs beside the arithmetic is not
    in it.
    """
    settings = spec.settings()
    method = family("methods").create(spec.method)
    quantizes_inputs = family("modes").create(spec.mode).quantizes_inputs
    samples = min(spec.samples or facts["samples"]["evaluation"], facts["samples"]["evaluation"])
    whole = facts["macs_per_sample"]
    layers = [layer for layer in facts["layers"] if any(fnmatch(layer["layer"], p) for p in spec.layers.split(","))]
    local = 2.0 if quantizes_inputs else 0.0
    per_setting = sum(local * layer["macs"] + _own(layer, method.measures_output) for layer in layers)
    per_setting += _training(spec, layers) / samples
    passes = 1.0 + (len(settings) if method.measures_output else 0)
    calibration = (spec.calibration_samples or facts["samples"]["calibration"]) / samples
    forwards = calibration + passes + (len(settings) * per_setting / whole if whole else 0.0)
    return {
        "forward_equivalents": forwards,
        "seconds": forwards * samples * facts.get("seconds_per_sample", float("nan")),
    }


def _training(spec: SweepSpec, layers: Sequence[Mapping[str, Any]]) -> float:
    """Multiply-accumulates of every layer's fine-tune: forward, backward to inputs and to its weights."""
    mode = family("modes").create(spec.mode)
    if not mode.trains:
        return 0.0
    return float(mode.steps * mode.batch_size * sum(2 * layer["macs_from_here"] + layer["macs"] for layer in layers))


def _own(layer: Mapping[str, Any], measures_output: bool) -> float:
    return float(layer["macs_from_here"] if measures_output else layer["macs"])
