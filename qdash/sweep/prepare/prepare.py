"""From a spec to a bench that can measure: load, fold, find layers, calibrate."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qdash.calibration.summaries import StoredCalibration
from qdash.engine.bench import Bench
from qdash.engine.calibrate import calibrate
from qdash.engine.macs import MacCounter, other_work
from qdash.engine.outputs import reader_for
from qdash.engine.tape.replay import Recorder
from qdash.errors import ModelError, SpecError
from qdash.instrument.calls import ROOT, Instrument
from qdash.instrument.folding import Folding, folded
from qdash.instrument.memory_format import CONTIGUOUS, channels_last
from qdash.instrument.random_state import RandomState, seed_everything
from qdash.layers.base import LayerKind
from qdash.metrics.base import REGISTRY as METRICS
from qdash.models.base import REGISTRY as MODELS
from qdash.spec import AUTO, Setting, Source, matches
from qdash.sweep.prepare.evaluation import evaluating
from qdash.sweep.prepare.layers import FUNCTIONAL, Found, find_layers, kinds_of
from qdash.sweep.prepare.survey import Survey
from qdash.sweep.prepare.training_set import TrainingSet
from qdash.sweep.prepare.workload import Workload, load_workload
from qdash.tensors.heap import give_back
from qdash.tensors.samples import Batch
from qdash.tensors.trees import first_float

# Few samples are enough to see the calls, check the folds and find a wrong shape.
_FIRST_SAMPLES, _FEWEST_SAMPLES = 16, 4
_LARGE_SAMPLE = 1 << 14  # values
_CALIBRATION_VERSION = 4


@dataclass
class Prepared:
    """Everything a work needs, open until its stack is closed."""

    workload: Workload
    folding: Folding
    memory_format: str
    instrument: Instrument
    bench: Bench
    first: Batch
    skipped: list[dict[str, Any]]
    covered_macs: dict[str, float]
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
    stack.callback(RandomState.now().restore)
    seed_everything(spec.seed)  # a model that draws must show the same calls whenever it is looked at
    workload = load_workload(spec)
    stack.enter_context(evaluating(workload.model))
    first = _first_batch(workload)
    folding = stack.enter_context(folded(workload.model, first.args, first.kwargs))
    memory_format = CONTIGUOUS
    if spec.memory_format == AUTO:
        arranged = channels_last(workload.model, first.args, first.kwargs, folding.reference)
        memory_format = stack.enter_context(arranged)
    instrument = stack.enter_context(Instrument(workload.model))
    found, output = _surveyed(instrument, first, folding, spec.include)
    selected, tied = _selected(found, layers)
    metric = METRICS.create(spec.metric)
    reader = reader_for(metric, output, first.target, first.size)
    bench = Bench(instrument, selected, settings, reader, None, tied=tied, seed=spec.seed, **recording)
    bench.load(first)
    _check_reference(bench)
    macs_per_sample = bench.tape.macs / first.size
    # Passes before the counter was there: folds, the memory format, the census, counting other work.
    passes = folding.passes + 2 + (spec.memory_format == AUTO)
    instrument.executed_macs += passes * first.size * macs_per_sample
    key = _calibration_key(workload, spec, folding, memory_format, sorted(bench.kinds))
    return Prepared(
        workload=workload,
        folding=folding,
        memory_format=memory_format,
        instrument=instrument,
        bench=bench,
        first=first,
        skipped=found.skipped,
        covered_macs=found.covered_macs,
        macs_per_sample=macs_per_sample,
        calibration_path=artifacts / f"calibration-{key}.npz",
        identity=_identity(workload, spec),
    )


def _first_batch(workload: Workload) -> Batch:
    """A few samples, fewer where they are large: several passes run on them before the sweep begins."""

    def batch(size: int) -> Batch:
        return next(workload.batches(workload.evaluation, workload.evaluation_indices[:size], size))

    few = batch(_FEWEST_SAMPLES)
    return batch(_FIRST_SAMPLES) if few.values_per_sample <= _LARGE_SAMPLE else few


def ensure_calibrated(prepared: Prepared, spec: Source, between: Any) -> None:
    """Runs the calibration pass, unless one with the same weights, data and settings is on disk."""
    if prepared.bench.calibration is not None:
        return
    path = prepared.calibration_path
    if not path.exists():
        workload = prepared.workload
        seed_everything(spec.seed)
        batches = workload.batches(workload.calibration, workload.calibration_indices, spec.calibration_batch_size)
        calibrate(prepared.instrument, prepared.bench.kinds, batches, spec.seed, between).save(path)
        give_back()
    prepared.bench.calibration = StoredCalibration(path)


def _surveyed(instrument: Instrument, first: Batch, folding: Folding, include: Sequence[str]) -> tuple[Found, Any]:
    """What one batch calls, and the model's output; from here on work is counted, and included operations are seen."""
    census = Survey(instrument, kinds_of(instrument.modules))
    output = census.take(first)
    found = find_layers(instrument.modules, census, folding, FUNCTIONAL in include)
    if not found.layers:
        types = sorted({type(m).__name__ for name, m in instrument.modules.items() if name != ROOT})
        shown = ", ".join(types) or type(instrument.model).__name__
        raise ModelError(f"the model has no quantizable layer (it has {shown}); see: python -m qdash list layers")
    kinds = found.layers | {name: kind for others in found.tied.values() for name, kind in others.items()}
    other = other_work(instrument, census.kinds, first, census.by_place())
    if FUNCTIONAL in include:
        instrument.shows = census.shows
        other = {place: macs for place, macs in other.items() if place not in census.by_place()}
    else:
        instrument.forget_operations()
    instrument.count = MacCounter(instrument, kinds, other)
    instrument.executed_macs = 0.0
    return found, output


def _selected(found: Found, patterns: str) -> tuple[dict[str, LayerKind], dict[str, dict[str, LayerKind]]]:
    """Layers that a pattern matches, by their own name or that of a module they share a weight with."""
    chosen = {n: k for n, k in found.layers.items() if any(matches(s, patterns) for s in (n, *found.tied.get(n, ())))}
    if not chosen:
        names = ", ".join(list(found.layers)[:8]) + (", …" if len(found.layers) > 8 else "")
        raise SpecError(f"no layer matches --layers {patterns!r}; layers are: {names}")
    reason = f"not selected by --layers {patterns}"
    left = (name for name in found.layers if name not in chosen)
    found.skipped.extend(
        {"name": n, "type": "", "params": 0, "macs": found.covered_macs[n], "reason": reason} for n in left
    )
    return chosen, {name: others for name, others in found.tied.items() if name in chosen}


def _check_reference(bench: Bench) -> None:
    if bool(torch.isfinite(bench.reference).all()):
        return
    whole = Recorder(bench.instrument).record(bench.batch.args, bench.batch.kwargs)
    in_order = sorted(enumerate(whole.slots), key=lambda pair: (pair[1].end, -pair[0]))  # as they returned
    for _, slot in in_order:
        output = first_float(slot.output)
        if output is not None and not bool(torch.isfinite(output).all()):
            raise ModelError(f"the FP32 output of {slot.name} holds NaN or Inf; repair the weights or the data")
    raise ModelError("the FP32 output of the model holds NaN or Inf; repair the weights or the data")


def _calibration_key(
    workload: Workload, spec: Source, folding: Folding, memory_format: str, layers: Sequence[str]
) -> str:
    parts = [
        _CALIBRATION_VERSION,
        workload.weights_digest,
        [d.hex() for d in workload.calibration.digests(workload.calibration_indices.tolist())],
        spec.calibration_batch_size,
        memory_format,  # the subsample goes by the order in memory
        spec.seed,
        [[fold.layer, fold.norm] for fold in folding.folds],
        list(layers),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _identity(workload: Workload, spec: Source) -> str:
    """Hash of weights, samples, spec and the model's own files: two runs with one identity measure the same."""
    hasher = hashlib.sha256(spec.model_dump_json().encode() + workload.weights_digest.encode())
    for file in MODELS.create(spec.model).files():
        hasher.update(file.read_bytes())
    for digest in workload.evaluation.digests(workload.evaluation_indices.tolist()):
        hasher.update(digest)
    return hasher.hexdigest()
