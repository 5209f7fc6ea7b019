"""From a spec to a bench that can measure: load, fold, find layers, calibrate."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from qdash.artifacts import usable
from qdash.calibration.summaries import StoredCalibration
from qdash.engine.bench import Bench, Recording
from qdash.engine.calibrate import calibrate
from qdash.engine.macs import MacCounter, other_work
from qdash.engine.outputs import OutputReader
from qdash.engine.quantizers import Quantizers
from qdash.engine.reach import without_path
from qdash.engine.tape.replay import Recorder
from qdash.errors import ModelError
from qdash.instrument.calls import Instrument
from qdash.instrument.folding import Folding
from qdash.instrument.random_state import RandomState, seed_everything
from qdash.records.facts import SkippedModule
from qdash.records.names import whole
from qdash.spec.fields import AUTO
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source
from qdash.sweep.prepare.evaluation import evaluating
from qdash.sweep.prepare.identity import calibration_key, run_identity
from qdash.sweep.prepare.judged import reader_of, weighed
from qdash.sweep.prepare.layers import FUNCTIONAL, Found, find_layers, kinds_of
from qdash.sweep.prepare.lazy import give_shapes, lazy_modules
from qdash.sweep.prepare.ready import ReadyModel, ready
from qdash.sweep.prepare.survey import Survey
from qdash.sweep.prepare.training_set import TrainingSet
from qdash.sweep.prepare.trial import tried
from qdash.sweep.prepare.workload import Workload, load_workload, weights_digest
from qdash.tensors.heap import give_back
from qdash.tensors.outputs import output_shapes
from qdash.tensors.samples import Batch
from qdash.tensors.trees import first_float

# Few samples are enough to see the calls, check the folds and find a wrong shape.
_FIRST_SAMPLES, _FEWEST_SAMPLES = 16, 4
_LARGE_SAMPLE = 1 << 14  # values
_SURVEY_PASSES = 2  # the survey, and counting other work


@dataclass
class Prepared:
    """Everything a work needs, open until its stack is closed."""

    workload: Workload
    folding: Folding
    memory_format: str
    instrument: Instrument
    bench: Bench
    first: Batch
    skipped: list[SkippedModule]
    covered_macs: dict[str, float]
    macs_per_sample: float
    calibration_path: Path
    identity: str
    outputs: Mapping[str, tuple[int, ...]]
    no_path: tuple[str, ...]
    training_set: TrainingSet | None = None


def prepare(
    stack: ExitStack,
    spec: Source,
    settings: Sequence[Setting],
    layers: str,
    artifacts: Path,
    recording: Recording = Recording(),  # noqa: B008  frozen
) -> Prepared:
    """Loads and checks everything and leaves the model folded and instrumented until `stack` closes.

    `layers`: comma-separated globs over module paths. Raises InputError with one line.
    """
    stack.callback(RandomState.now().restore)
    seed_everything(spec.seed)  # a model that draws must show the same calls whenever it is looked at
    workload = load_workload(spec)
    stack.enter_context(evaluating(workload.model))
    _complete(workload, spec)
    first = stack.enter_context(tried(workload, _first_batches(workload, spec.batch_size)))
    model = stack.enter_context(ready(workload.model, first, arrange=spec.memory_format == AUTO))
    found, output = _surveyed(model, first, spec.include)
    chosen = found.selected(layers)
    reader, first = reader_of(workload, spec, output, first)
    quantizers = Quantizers(model.instrument.modules, chosen.layers, settings, chosen.tied)
    bench = Bench(model.instrument, quantizers, reader, recording, spec.seed)
    macs_per_sample = _opened(bench, first, model.passes + _SURVEY_PASSES)
    return Prepared(
        workload=workload,
        folding=model.folding,
        memory_format=model.memory_format,
        instrument=model.instrument,
        bench=bench,
        first=first,
        skipped=chosen.skipped,
        covered_macs=chosen.covered_macs,
        macs_per_sample=macs_per_sample,
        calibration_path=artifacts / f"calibration-{calibration_key(workload, spec, model, quantizers.kinds)}.npz",
        identity=run_identity(workload, spec),
        outputs=output_shapes(output),
        no_path=without_path(bench),
    )


def ensure_calibrated(prepared: Prepared, spec: Source, between: Callable[[], None]) -> None:
    """Runs the calibration pass, unless one with the same weights, data and settings is on disk and can be read.

    `between` is called after each batch and may raise to stop.
    """
    if prepared.bench.quantizers.calibration is not None:
        return
    path, workload = prepared.calibration_path, prepared.workload
    stored = StoredCalibration(path)
    if not _serves(stored, prepared.bench.reader, workload.notes):
        seed_everything(spec.seed)
        batches = workload.batches(workload.calibration, workload.calibration_indices, spec.calibration_batch_size)
        calibrate(prepared.instrument, prepared.bench.kinds, batches, spec.seed, between).save(path)
        stored.release()
        give_back()
    prepared.bench.quantizers.calibration = stored
    prepared.bench.reader = weighed(prepared.bench.reader, stored.outputs)


def _serves(stored: StoredCalibration, reader: OutputReader, notes: list[str]) -> bool:
    """Whether a calibration can be read and knows what several judged outputs weigh: those of 0.1.0 don't."""
    return usable(lambda: stored.layers, notes) and (len(reader.judged) == 1 or bool(stored.outputs))


def _complete(workload: Workload, spec: Source) -> None:
    """Gives lazy layers their shapes."""
    if lazy_modules(workload.model):
        first = next(_first_batches(workload, spec.batch_size))
        workload.notes += give_shapes(workload.model, first, spec.seed)
        workload.weights_digest = weights_digest(workload.model)


def _first_batches(workload: Workload, batch_size: int) -> Iterator[Batch]:
    """A few samples, fewer where they are large: several passes run on them before the sweep begins.

    Never more than a batch of the sweep, and that for a model that takes no other.
    """

    def batch(size: int) -> Batch:
        return next(workload.batches(workload.evaluation, workload.evaluation_indices[:size], size))

    few = batch(min(_FEWEST_SAMPLES, batch_size))
    first = batch(min(_FIRST_SAMPLES, batch_size)) if few.values_per_sample <= _LARGE_SAMPLE else few
    yield first
    if batch_size > first.size:
        yield batch(batch_size)


def _surveyed(model: ReadyModel, first: Batch, include: Sequence[str]) -> tuple[Found, object]:
    """What one batch calls, and the model's output; from here on work is counted, and included operations are seen."""
    instrument, functional = model.instrument, FUNCTIONAL in include
    survey = Survey(instrument, kinds_of(instrument.modules))
    output = survey.take(first)
    found = find_layers(instrument.modules, survey, model.folding, functional)
    other = other_work(instrument, survey.kinds, first, survey.by_place())
    if functional:
        instrument.shows = survey.shows
        other = {place: macs for place, macs in other.items() if place not in survey.by_place()}
    else:
        instrument.forget_operations()
    counted = {whole(name): survey.kinds[whole(name)] for name in found.kinds}
    instrument.count = MacCounter(instrument, counted, other)
    instrument.executed_macs = 0.0
    return found, output


def _opened(bench: Bench, first: Batch, uncounted_passes: int) -> float:
    """Loads the first batch and checks FP32 on it; multiply-accumulates per sample, also of passes before counting."""
    bench.load(first)
    _check_reference(bench)
    macs_per_sample = bench.tape.macs / first.size
    bench.instrument.executed_macs += uncounted_passes * first.size * macs_per_sample
    return macs_per_sample


def _check_reference(bench: Bench) -> None:
    if bool(torch.isfinite(bench.reference.judged).all()):
        return
    whole = Recorder(bench.instrument).record(bench.batch.args, bench.batch.kwargs)
    in_order = sorted(enumerate(whole.slots), key=lambda pair: (pair[1].end, -pair[0]))  # as they returned
    for _, slot in in_order:
        output = first_float(slot.output)
        if output is not None and not bool(torch.isfinite(output).all()):
            raise ModelError(f"the FP32 output of {slot.name} holds NaN or Inf; repair the weights or the data")
    raise ModelError("the FP32 output of the model holds NaN or Inf; repair the weights or the data")
