"""What a sweep will cost, told before it starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from qdash.records.facts import LayerFacts, RunFacts
from qdash.registry import family
from qdash.spec.sweep import SweepSpec


@dataclass(frozen=True)
class Estimate:
    """forward_equivalents: over the evaluation samples. seconds: NaN where no first look has timed a forward."""

    forward_equivalents: float
    seconds: float


def estimate(spec: SweepSpec, facts: RunFacts) -> Estimate:
    """Counts calibration, FP32, the all-quantized model and every layer, with its fine-tune where the mode trains; what
    quantizing itself costs beside the arithmetic is not in it.

    facts: of a probe or an earlier run of the same model and data.
    """
    settings = spec.settings()
    method = family("methods").create(spec.method)
    quantizes_inputs = family("modes").create(spec.mode).quantizes_inputs
    samples = min(spec.samples or facts.samples.evaluation, facts.samples.evaluation)
    whole = facts.macs_per_sample
    layers = [layer for layer in facts.layers if any(fnmatch(layer.layer, p) for p in spec.layers.split(","))]
    local = 2.0 if quantizes_inputs else 0.0
    per_setting = sum(local * layer.macs + _own(layer, method.measures_output) for layer in layers)
    per_setting += _training(spec, layers) / samples
    passes = 1.0 + (len(settings) if method.measures_output else 0)
    calibration = (spec.calibration_samples or facts.samples.calibration) / samples
    forwards = calibration + passes + (len(settings) * per_setting / whole if whole else 0.0)
    each = math.nan if facts.seconds_per_sample is None else facts.seconds_per_sample
    return Estimate(forwards, forwards * samples * each)


def _training(spec: SweepSpec, layers: Sequence[LayerFacts]) -> float:
    """Multiply-accumulates of every layer's fine-tune: forward, backward to inputs and to its weights."""
    mode = family("modes").create(spec.mode)
    if not mode.trains:
        return 0.0
    return float(mode.steps * mode.batch_size * sum(2 * layer.macs_from_here + layer.macs for layer in layers))


def _own(layer: LayerFacts, measures_output: bool) -> float:
    return float(layer.macs_from_here if measures_output else layer.macs)
