"""Which of a model's outputs are judged, which holds class scores, along which axis; asked where it can't be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from qdash.engine.outputs import OutputReader
from qdash.engine.reading import Reading
from qdash.engine.scores import ScoreForm, form_of, is_embedding, is_independent, readings
from qdash.errors import DataError, ModelError
from qdash.metrics.base import Metric
from qdash.tensors.labels import LabelStats
from qdash.tensors.outputs import (
    chosen_output,
    named_outputs,
    note_on_outputs,
    samples_shape,
    shape_text,
    without_ones,
)

ALL = "all"
_NAMED_SCORES = ("logits", "scores", "out")
_PLAIN_GAP = 0.2  # in FP32 accuracy, by which one reading has to be better than another to be taken


@dataclass(frozen=True)
class Wanted:
    """What a person said about the output: which one counts, where its classes lie, which label doesn't count."""

    output: str | None = None
    class_axis: int | None = None
    ignore_label: int | None = None


@dataclass(frozen=True)
class ScorePlace:
    """An output, and the axis along which its classes lie, None where it is one score a sample."""

    name: str
    axis: int | None


@dataclass(frozen=True)
class Judge:
    """Finds the reader for a model's output on a first batch of samples.

    labels: of the whole evaluation set, None where there are none. target: of the first batch.
    """

    metric: Metric
    wanted: Wanted
    labels: LabelStats | None
    target: Tensor | None

    def reader(self, output: object, samples: int) -> tuple[OutputReader, list[str]]:
        """The reader and what to say about it. Raises DataError or ModelError that names expected and got."""
        if self.metric.needs_labels and self.target is None:
            raise DataError(
                f"the metric {self.metric.name} needs labels and the data have none; add labels (y) or use "
                "--metric agreement"
            )
        outputs, notes = self._judged(output, samples)
        if self.metric.needs_classes:
            place = self._place(outputs)
            form = form_of(outputs[place.name], place.axis)
            self._check_form(outputs[place.name], place, form)
            notes += [self._said(outputs, place)] if self._is_worth_saying(outputs, place) else []
            notes += [form.note] if form.note else []
            scores: tuple[str | None, ScoreForm | None] = (place.name, form)
        else:
            scores = None, None
        valued = self._valued(outputs) if self.metric.needs_labels and not self.metric.needs_classes else None
        return OutputReader(self.metric, tuple(outputs), *scores, valued, self.wanted.ignore_label), notes

    def _judged(self, output: object, samples: int) -> tuple[dict[str, Tensor], list[str]]:
        """The outputs that are judged together, and a note on those that are not."""
        found = named_outputs(output)
        if not found:
            raise ModelError("the model's output holds no floating tensor; wrap the model so that it returns scores")
        fitting = {name: t for name, t in found.items() if t.dim() and t.shape[0] == samples}
        if self.wanted.output not in (None, ALL):
            name = chosen_output(list(found), str(self.wanted.output))
            fitting = {name: found[name]} if name in fitting else {}
            if not fitting:
                raise DataError(
                    f"the output {name} has shape {tuple(found[name].shape)}; its axis 0 must be the samples"
                )
        if not fitting:
            shapes = ", ".join(str(tuple(t.shape)) for t in found.values())
            raise DataError(
                f"the model's output has shape {shapes} for {samples} samples; its axis 0 must be the samples"
            )
        return fitting, note_on_outputs(found, fitting, self.wanted.output)

    def _place(self, outputs: Mapping[str, Tensor]) -> ScorePlace:
        """Where the class scores lie."""
        places = [ScorePlace(name, axis) for name, t in outputs.items() for axis in self._axes(t)]
        if self.labels is not None:
            places = self._fitting_labels(outputs, places)
        if not places:
            raise DataError(self._no_scores(outputs))
        names = list(dict.fromkeys(place.name for place in places))
        if len(names) > 1:
            name = _plain_name(outputs, names)
            if name is None:
                shapes = ", ".join(f"{n} {shape_text(outputs[n])}" for n in names)
                raise DataError(f"several outputs may be the class scores: {shapes}; choose one with --output")
            places = [place for place in places if place.name == name]
        return places[0] if len(places) == 1 else self._likely(outputs, places)

    def _axes(self, output: Tensor) -> list[int | None]:
        if self.wanted.class_axis is not None:
            axis, dimensions = self.wanted.class_axis, output.dim()
            axis = axis % dimensions if -dimensions <= axis < dimensions else 0  # 0 are the samples
            return [axis] if axis else []
        shape = None if self.labels is None else self.labels.shape
        if shape is None and self.target is not None:
            shape = tuple(self.target.shape[1:])
        found = readings(tuple(output.shape), shape)
        return found or ([] if self.metric.needs_labels else readings(tuple(output.shape), None))

    def _fitting_labels(self, outputs: Mapping[str, Tensor], places: Sequence[ScorePlace]) -> list[ScorePlace]:
        """The places whose number of classes holds every label; those with exactly as many classes where there are."""
        assert self.labels is not None, "there are labels"
        low, high = self._range()
        fitting = [place for place in places if low >= 0 and high < _classes(outputs, place)]
        if not fitting and not self.metric.needs_labels:
            return list(places)
        if places and not fitting:
            raise DataError(self._wrong_range(low, high, max(_classes(outputs, place) for place in places)))
        exact = [place for place in fitting if _classes(outputs, place) == high + 1]
        names = {place.name for place in exact}
        return exact if exact and len(names) < len({place.name for place in fitting}) else fitting

    def _range(self) -> tuple[float, float]:
        assert self.labels is not None, "there are labels"
        ignored = self.wanted.ignore_label
        return (
            (self.labels.low_kept, self.labels.high_kept)
            if ignored in self.labels.seen
            else (self.labels.low, self.labels.high)
        )

    def _wrong_range(self, low: float, high: float, classes: int) -> str:
        assert self.labels is not None, "there are labels"
        said = f"labels go from {low:g} to {high:g}, but the output has {classes} classes"
        kept = self.labels.low_kept >= 0 and self.labels.high_kept < classes
        for value in sorted(self.labels.seen):
            if kept and self.wanted.ignore_label is None and not 0 <= value < classes:
                return f"{said}; leave positions with {value} out with --ignore-label {value}"
        return f"{said}; number the classes from 0, or give the model that knows them"

    def _likely(self, outputs: Mapping[str, Tensor], places: Sequence[ScorePlace]) -> ScorePlace:
        """Of several readings of one output the one under which FP32 is plainly right."""
        ranked = sorted(((self._accuracy(outputs, place), place) for place in places), key=lambda pair: -pair[0])
        if self.target is None or ranked[0][0] - ranked[1][0] < _PLAIN_GAP:
            axes = " or ".join(str(place.axis) for place in places)
            output = outputs[places[0].name]
            raise DataError(
                f"the output of shape {shape_text(output)} may hold class scores along axis {axes}; say which with "
                "--class-axis"
            )
        return ranked[0][1]

    def _accuracy(self, outputs: Mapping[str, Tensor], place: ScorePlace) -> float:
        if self.target is None or place.axis is None:
            return 0.0
        scores = form_of(outputs[place.name], place.axis).logits(outputs[place.name])
        reading = Reading(scores, scores, scores)
        reader = OutputReader(self.metric, (), ignore_label=self.wanted.ignore_label)
        return float(reader.outcomes(reading, reading, self.target).mean())

    def _check_form(self, output: Tensor, place: ScorePlace, form: ScoreForm) -> None:
        classes = 2 if form.kind.startswith("one_") else output.shape[place.axis or 1]
        if classes < self.metric.fewest_classes:
            raise DataError(
                f"the metric {self.metric.name} says nothing of {classes} classes; use --metric accuracy or agreement"
            )
        if place.axis is None or self.metric.needs_labels or form.kind != "logits":
            return
        what = "vectors of length 1, as embeddings are" if is_embedding(output) else ""
        if is_independent(output, place.axis):
            what = "independent probabilities that don't sum to 1"
        if what:
            raise DataError(
                f"the metric {self.metric.name} needs class scores and the output {shape_text(output)} holds {what}; "
                "use --metric relative_error"
            )

    def _no_scores(self, outputs: Mapping[str, Tensor]) -> str:
        shapes = ", ".join(shape_text(t) for t in outputs.values())
        if self.wanted.class_axis is not None:
            return f"the output {shapes} has no axis {self.wanted.class_axis} for classes; choose another --class-axis"
        if self.labels is not None and self.labels.shape not in (None, ()):
            labels = samples_shape(self.labels.shape)
            return (
                f"the metric {self.metric.name} expects one integer label for each position of the output {shapes}, "
                f"got labels of shape {labels}; use --metric mean_squared_error for regression"
            )
        return (
            f"the metric {self.metric.name} needs class scores and the output has shape {shapes}; use --metric "
            "relative_error, or mean_squared_error for regression"
        )

    def _is_worth_saying(self, outputs: Mapping[str, Tensor], place: ScorePlace) -> bool:
        output = outputs[place.name]
        fits_by_itself = output.dim() == 2 or (self.labels is not None and self.metric.needs_labels)
        several = self.wanted.class_axis is None and len(self._axes(output)) > 1
        return len(outputs) > 1 or several or not (fits_by_itself or self.wanted.class_axis is not None)

    def _said(self, outputs: Mapping[str, Tensor], place: ScorePlace) -> str:
        of = f" of the output {place.name}" if len(outputs) > 1 else ""
        where = "" if place.axis is None else f" along axis {place.axis}"
        return f"class scores{of} {shape_text(outputs[place.name])} lie{where}; --output and --class-axis choose others"

    def _valued(self, outputs: Mapping[str, Tensor]) -> str:
        """The output of the target's shape."""
        assert self.target is not None, "checked before"
        shape = tuple(self.target.shape)
        fitting = [name for name, t in outputs.items() if without_ones(tuple(t.shape)) == without_ones(shape)]
        if len(fitting) == 1:
            return fitting[0]
        shapes = ", ".join(f"{name} {shape_text(t)}" for name, t in outputs.items())
        if fitting:
            names = ", ".join(fitting)
            raise DataError(f"several outputs have the shape of the targets: {names}; choose one with --output")
        raise DataError(
            f"targets of shape {samples_shape(shape[1:])} for {'outputs' if len(outputs) > 1 else 'an output'} "
            f"{shapes}; lay the targets out like the output"
        )


def _plain_name(outputs: Mapping[str, Tensor], names: Sequence[str]) -> str | None:
    """Of several outputs that may hold class scores the one that says so: by its name, or by being probabilities."""
    named = [name for name in names if name.rpartition(".")[2] in _NAMED_SCORES]
    if len(named) == 1:
        return named[0]
    sure = [name for name in names if form_of(outputs[name], 1).kind == "probabilities" and outputs[name].dim() > 1]
    return sure[0] if len(sure) == 1 else None


def _classes(outputs: Mapping[str, Tensor], place: ScorePlace) -> int:
    size = 1 if place.axis is None else outputs[place.name].shape[place.axis]
    return max(2, size)
