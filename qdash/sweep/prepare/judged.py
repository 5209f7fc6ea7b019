"""What is judged of a model's output, from its output on a first batch and the labels of the whole set."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from qdash.engine.judging import Judge, Wanted
from qdash.engine.label_form import converted, notes_on, steps_to_classes
from qdash.engine.outputs import OutputReader
from qdash.errors import ModelError
from qdash.metrics.base import REGISTRY as METRICS
from qdash.metrics.base import Metric
from qdash.records.facts import OutputFacts
from qdash.spec.sweep import Source
from qdash.sweep.prepare.workload import Workload
from qdash.tensors.labels import LabelStats, survey
from qdash.tensors.outputs import named_outputs
from qdash.tensors.samples import Batch


def reader_of(workload: Workload, spec: Source, output: object, first: Batch) -> tuple[OutputReader, Batch]:
    """The reader for the model's output on the first batch, and that batch with labels as the metric takes them.

    Labels in another form are converted from here on, and said in the workload's notes. Raises DataError, ModelError.
    """
    metric = METRICS.create(spec.metric)
    labels = _labels(workload, metric, output) if first.target is not None else None
    if workload.evaluation.label_form is not None and first.target is not None:
        first = replace(first, target=workload.evaluation.label_form(first.target))
    wanted = Wanted(spec.output, spec.class_axis, spec.ignore_label)
    reader, notes = Judge(metric, wanted, labels, first.target).reader(output, first.size)
    workload.notes += notes
    return reader, first


def weighed(reader: OutputReader, energies: Mapping[str, float]) -> OutputReader:
    """With weights where several outputs are judged: 1 over the FP32 energy of each over the calibration set.

    energies: name → Σ x². An output of zero energy is judged no more. Raises ModelError where all are zero.
    """
    if len(reader.judged) == 1:
        return reader
    known = {name: energies.get(name, 0.0) for name in reader.judged}
    weights = {name: 1.0 / total for name, total in known.items() if total > 0 and math.isfinite(total)}
    if not weights:
        raise ModelError("every output of the model is zero over the calibration set; nothing can be judged")
    return replace(reader, judged=tuple(weights), weights=weights if len(weights) > 1 else {})


def output_facts(shapes: Mapping[str, tuple[int, ...]], reader: OutputReader) -> tuple[OutputFacts, ...]:
    """shapes: name → shape of one sample's output."""
    return tuple(
        OutputFacts(name, shape, name in reader.judged, reader.weights.get(name)) for name, shape in shapes.items()
    )


def _labels(workload: Workload, metric: Metric, output: object) -> LabelStats:
    """Of the evaluation set, after what makes them class numbers where the metric needs such."""
    stats = survey(workload.evaluation.targets(workload.evaluation_indices.tolist()))
    if not (metric.needs_classes and metric.needs_labels):
        return stats
    steps = steps_to_classes(stats, named_outputs(output))
    if not steps:
        return stats
    workload.notes += notes_on(steps, stats)
    for samples in (workload.evaluation, workload.calibration, workload.training):
        if samples is not None:
            samples.label_form = partial(converted, steps=steps)
    return survey(
        converted(target, steps) for target in workload.evaluation.targets(workload.evaluation_indices.tolist())
    )
