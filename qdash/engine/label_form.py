"""Labels in another form than a metric of classes takes: recognised, converted and said, or refused."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from qdash.engine.scores import readings
from qdash.errors import DataError
from qdash.tensors.labels import LabelStats
from qdash.tensors.outputs import samples_shape

Step = Literal["squeezed", "argmax", "whole"]
_SAID = {
    "squeezed": "labels of shape {shape} are read as one label a sample (y.squeeze)",
    "argmax": "one-hot labels of shape {shape} are read as class numbers (y.argmax(1))",
    "whole": "labels are whole numbers stored as floats; they are read as integers (y.long())",
}


def steps_to_classes(labels: LabelStats, outputs: Mapping[str, Tensor]) -> list[Step]:
    """How labels become integers of a shape that some output has beside its classes.

    outputs: name → (samples, …). Raises DataError where labels are no class numbers.
    """
    steps: list[Step] = []
    shape = labels.shape
    if labels.not_finite:
        raise DataError(f"{labels.not_finite} labels are NaN or Inf; repair them, or leave those samples out")
    if labels.floating and not labels.whole:
        raise DataError("labels are fractions, no class numbers; use --metric mean_squared_error for regression")
    if shape and not _fits(shape, outputs) and shape[-1] == 1:
        steps.append("squeezed")
    elif shape and labels.one_hot and shape[0] > 1 and _fits(shape[1:], outputs):
        steps.append("argmax")
    return [*steps, "whole"] if labels.floating else steps


def converted(labels: Tensor, steps: list[Step]) -> Tensor:
    """Labels of some samples, (samples, …), after the steps."""
    for step in steps:
        labels = labels.squeeze(-1) if step == "squeezed" else labels.argmax(1) if step == "argmax" else labels.long()
    return labels


def notes_on(steps: list[Step], labels: LabelStats) -> list[str]:
    """What the steps are, for a person."""
    return [_SAID[step].format(shape=samples_shape(labels.shape or ())) for step in steps]


def _fits(shape: tuple[int, ...], outputs: Mapping[str, Tensor]) -> bool:
    return any(readings(tuple(output.shape), shape) for output in outputs.values() if output.dim())
