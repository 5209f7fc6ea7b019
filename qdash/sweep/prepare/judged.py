"""What is judged of a model's output, from its output on a first batch and the labels of the whole set."""

from dataclasses import replace
from functools import partial

from qdash.engine.judging import Judge, Wanted
from qdash.engine.label_form import converted, notes_on, steps_to_classes
from qdash.engine.outputs import OutputReader
from qdash.metrics.base import REGISTRY as METRICS
from qdash.metrics.base import Metric
from qdash.spec import Source
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
