"""Class scores in a model's output: where the classes lie, and what kind of numbers they are."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["logits", "probabilities", "one_logit", "one_probability"]
_SUM_TOLERANCE = 1e-3  # of probabilities stored in half precision


@dataclass(frozen=True)
class ScoreForm:
    """axis: where the classes lie; of one score a sample, the axis of length 1, or None where there is none."""

    axis: int | None
    kind: Kind

    @property
    def note(self) -> str:
        """What was recognised, for a person; "" for plain logits."""
        return {
            "logits": "",
            "probabilities": "the outputs are probabilities (softmax at the end): KL is of them as they are",
            "one_logit": "one score a sample: read as the logit of the second of two classes, threshold 0",
            "one_probability": "one probability a sample (sigmoid at the end): read as that of the second of two "
            "classes, threshold 0.5",
        }[self.kind]

    def logits(self, output: Tensor) -> Tensor:
        """(samples, classes, …) whose softmax are the class probabilities; two classes for one score a sample.

        A probability of 0 counts as the smallest normal number of its type, so that its logarithm is finite.
        """
        if self.kind in ("one_logit", "one_probability"):
            score = output if self.axis is None else output.squeeze(self.axis)
            if self.kind == "one_logit":
                return torch.stack([torch.zeros_like(score), score], dim=1)
            return torch.stack([_log(1 - score), _log(score)], dim=1)
        assert self.axis is not None, "several classes lie along an axis"
        moved = output if self.axis == 1 else output.movedim(self.axis, 1)
        return _log(moved) if self.kind == "probabilities" else moved


def readings(shape: tuple[int, ...], labels: tuple[int, ...] | None) -> list[int | None]:
    """The axes of an output (samples, …) along which the classes may lie.

    labels: shape of one sample's labels, which has every other axis of the output; None where there are none: then
    axis 1, and the last one of (samples, positions, classes). None in the list stands for one score a sample without
    an axis of its own.
    """
    if len(shape) == 1:
        return [None]
    if labels is None:
        return [2 if len(shape) == 3 and shape[2] > 1 else 1]
    return [axis for axis in range(1, len(shape)) if shape[1:axis] + shape[axis + 1 :] == labels] + (
        [None] if shape[1:] == labels else []
    )


def form_of(output: Tensor, axis: int | None) -> ScoreForm:
    """What the numbers of an output (samples, …) are, with the classes along `axis`: by their values."""
    unit = bool(((output >= 0) & (output <= 1)).all())
    if axis is None or output.shape[axis] == 1:
        return ScoreForm(axis, "one_probability" if unit else "one_logit")
    sums = output.double().sum(axis)
    if unit and bool(torch.isclose(sums, torch.ones_like(sums), rtol=0, atol=_SUM_TOLERANCE).all()):
        return ScoreForm(axis, "probabilities")
    return ScoreForm(axis, "logits")


def is_independent(output: Tensor, axis: int) -> bool:
    """Whether the numbers along an axis are probabilities that don't sum to 1: of sigmoids, one for each class."""
    unit = bool(((output >= 0) & (output <= 1)).all())
    return unit and form_of(output, axis).kind == "logits"


def is_embedding(output: Tensor) -> bool:
    """Whether every row of a (samples, values) output has length 1, as embeddings do and scores don't."""
    if output.dim() != 2 or output.shape[1] < 2:
        return False
    lengths = output.double().norm(dim=1)
    return bool(torch.isclose(lengths, torch.ones_like(lengths), rtol=0, atol=_SUM_TOLERANCE).all())


def _log(probability: Tensor) -> Tensor:
    return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()
