"""From a spec to a bench that can measure: load, fold, find layers, calibrate."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qdash.bench import Bench
from qdash.calibrate import calibrate
from qdash.calibration import Calibration
from qdash.errors import ModelError, SpecError
from qdash.folding import Folding, folded
from qdash.instrument import Instrument
from qdash.macs import MacCounter, other_work
from qdash.metrics.base import REGISTRY as METRICS
from qdash.models.base import REGISTRY as MODELS
from qdash.outputs import reader_for
from qdash.replay import Recorder
from qdash.samples import Batch
from qdash.spec import Setting, Source, matches
from qdash.sweep.layers import find_layers
from qdash.sweep.subject import Subject, load_subject
from qdash.sweep.training_set import TrainingSet
from qdash.trees import first_float

# Few samples are enough to see the calls, check the folds and find a wrong shape.
_FIRST_SAMPLES = 16
_CALIBRATION_VERSION = 1


@dataclass
class Prepared:
    """Everything a work needs, open until its stack is closed."""

    subject: Subject
    folding: Folding
    instrument: Instrument
    bench: Bench
    first: Batch
    skipped: list[dict[str, Any]]
    macs_per_sample: float
    calibration_path: Path
    identity: str
    training_set: TrainingSet | None = None


def prepare(
    stack: ExitStack,
    spec: Source,
    settings: Sequence[Setting],
    layers: str,
    artifacts: Path,
    **recording: bool,
) -> Prepared:
    """Loads and checks everything and leaves the model folded and instrumented until `stack` closes.

    `layers`: comma-separated globs over module paths; `recording`: see `Bench`. Raises InputError with one line.
    """
    subject = load_subject(spec)
    first = next(subject.batches(subject.evaluation, subject.evaluation_indices[:_FIRST_SAMPLES], _FIRST_SAMPLES))
    folding = stack.enter_context(folded(subject.model, first.args, first.kwargs))
    instrument = stack.enter_context(Instrument(subject.model))
    tape = Recorder(instrument).record(first.args, first.kwargs)
    found = find_layers(instrument.modules, tape, folding)
    if not found.layers:
        types = ", ".join(sorted({type(m).__name__ for m in instrument.modules.values()})) or "no submodule"
        raise ModelError(f"the model has no quantizable layer (it has {types}); see: python -m qdash list layers")
    selected = _selected(found.layers, layers, found.skipped)
    instrument.count = MacCounter(instrument, found.layers, other_work(instrument, found.layers, first))
    instrument.executed_macs = 0.0
    metric = METRICS.create(spec.metric)
    reader = reader_for(metric, tape.output, first.target, first.size)
    bench = Bench(instrument, selected, settings, reader, None, seed=spec.seed, **recording)
    bench.load(first)
    _check_reference(bench)
    macs_per_sample = bench.tape.macs / first.size
    # Passes before the counter was there: finding and checking folds, recording once, counting other work.
    instrument.executed_macs += (folding.passes + 2) * first.size * macs_per_sample
    key = _calibration_key(subject, spec, folding)
    return Prepared(
        subject=subject,
        folding=folding,
        instrument=instrument,
        bench=bench,
        first=first,
        skipped=found.skipped,
        macs_per_sample=macs_per_sample,
        calibration_path=artifacts / f"calibration-{key}.npz",
        identity=_identity(subject, spec),
    )


def ensure_calibrated(prepared: Prepared, spec: Source, between: Any) -> None:
    """Runs the calibration pass, or reads it where one with the same weights, data and settings is on disk."""
    path = prepared.calibration_path
    if not path.exists():
        subject = prepared.subject
        batches = subject.batches(subject.calibration, subject.calibration_indices, spec.calibration_batch_size)
        calibrate(prepared.instrument, prepared.bench.layers, batches, spec.seed, between).save(path)
    prepared.bench.calibration = Calibration.load(path)


def _selected(layers: dict[str, Any], patterns: str, skipped: list[dict[str, Any]]) -> dict[str, Any]:
    chosen = {name: kind for name, kind in layers.items() if matches(name, patterns)}
    if not chosen:
        names = ", ".join(list(layers)[:8]) + (", …" if len(layers) > 8 else "")
        raise SpecError(f"no layer matches --layers {patterns!r}; layers are: {names}")
    reason = f"not selected by --layers {patterns}"
    skipped.extend({"name": n, "type": "", "params": 0, "reason": reason} for n in layers if n not in chosen)
    return chosen


def _check_reference(bench: Bench) -> None:
    if bool(torch.isfinite(bench.reference).all()):
        return
    for slot in bench.tape.slots:
        output = first_float(slot.output)
        if output is not None and not bool(torch.isfinite(output).all()):
            raise ModelError(f"the FP32 output of {slot.name} holds NaN or Inf; repair the weights or the data")
    raise ModelError("the FP32 output of the model holds NaN or Inf; repair the weights or the data")


def _calibration_key(subject: Subject, spec: Source, folding: Folding) -> str:
    parts = [
        _CALIBRATION_VERSION,
        subject.weights_digest,
        [d.hex() for d in subject.calibration.digests(subject.calibration_indices.tolist())],
        spec.calibration_batch_size,
        spec.seed,
        [[fold.layer, fold.norm] for fold in folding.folds],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _identity(subject: Subject, spec: Source) -> str:
    """Hash of weights, samples, spec and the model's own files: two runs with one identity measure the same."""
    hasher = hashlib.sha256(spec.model_dump_json().encode() + subject.weights_digest.encode())
    for file in MODELS.create(spec.model).files():
        hasher.update(file.read_bytes())
    for digest in subject.evaluation.digests(subject.evaluation_indices.tolist()):
        hasher.update(digest)
    return hasher.hexdigest()
