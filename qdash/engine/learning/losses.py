"""What a fine-tune minimises: the distance to the FP32 model's output, or to the labels."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from qdash.engine.outputs import OutputReader, divergence
from qdash.engine.reading import Reading
from qdash.errors import DataError
from qdash.metrics.base import over_positions

Loss = Callable[[Reading, Reading, Tensor | None], Tensor]
"""(output, FP32 output, labels) → (samples,) float64."""


def loss_of(choice: str, reader: OutputReader, target: Tensor | None) -> tuple[Loss, str]:
    """The loss and what it is called. choice: of `modes.qat.Loss`. target: labels of any shape (samples, …).

    distillation (auto): the squared error against the FP32 output, summed over a sample (Ba & Caruana 2014,
    arXiv:1312.6184). distillation_kl: KL(FP32 ‖ quantized) in nats where outputs are class scores; of samples that FP32
    is sure of it sees little. labels: cross-entropy in nats, or the squared error. Raises DataError where there are no
    labels.
    """
    if choice == "distillation_kl" and reader.scores is not None:
        return partial(_divergence, reader), "distillation (KL)"
    if choice != "labels":
        return _distance, "distillation (squared error)"
    if target is None:
        raise DataError("loss=labels needs labels and the training data have none; use loss=distillation")
    if reader.scores is not None and not target.is_floating_point():
        return partial(_cross_entropy, reader), "labels (cross-entropy)"
    return _error, "labels (squared error)"


def _divergence(reader: OutputReader, output: Reading, reference: Reading, target: Tensor | None) -> Tensor:
    assert output.scores is not None, "KL is of class scores"
    assert reference.scores is not None, "KL is of class scores"
    return divergence(reference.scores, output.scores, reader.valid(target))


def _distance(output: Reading, reference: Reading, target: Tensor | None) -> Tensor:
    return (output.judged.double() - reference.judged.double()).square().flatten(1).sum(1)


def _cross_entropy(reader: OutputReader, output: Reading, reference: Reading, target: Tensor | None) -> Tensor:
    assert target is not None, "checked when the loss was chosen"
    assert output.scores is not None, "cross-entropy is of class scores"
    valid = reader.valid(target)
    known = target if valid is None else target.where(valid, 0)
    losses = torch.nn.functional.cross_entropy(output.scores.double(), known, reduction="none")
    return over_positions(losses, valid)


def _error(output: Reading, reference: Reading, target: Tensor | None) -> Tensor:
    assert target is not None, "checked when the loss was chosen"
    found = output.valued
    return (found.double() - target.reshape(found.shape).double()).square().flatten(1).sum(1)
