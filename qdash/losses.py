"""What a fine-tune minimises: the distance to the FP32 model's output, or to the labels."""

from collections.abc import Callable

import torch
from torch import Tensor

from qdash.errors import DataError
from qdash.outputs import OutputReader, divergence

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(output, FP32 output, labels) → (samples,) float64."""
CHOICES = {"distillation": "distillation from FP32", "labels": "labels"}


def loss_of(choice: str, reader: OutputReader, target: Tensor | None) -> tuple[Loss, str]:
    """The loss and what it is called. choice: `auto` (distillation), `distillation` or `labels`.

    Distillation: KL(FP32 ‖ quantized) in nats where outputs are class scores, else the squared error, summed over a
    sample. Labels: cross-entropy in nats, or the squared error. Raises DataError where there are no labels.
    """
    if choice != "labels":
        return (_divergence, "distillation (KL)") if reader.class_axis is not None else (_distance, "distillation")
    if target is None:
        raise DataError("loss=labels needs labels and the training data have none; use loss=distillation")
    if reader.class_axis is not None and not target.is_floating_point():
        return _cross_entropy, "labels (cross-entropy)"
    return _error, "labels (squared error)"


def _divergence(output: Tensor, reference: Tensor, target: Tensor | None) -> Tensor:
    return divergence(reference, output)


def _distance(output: Tensor, reference: Tensor, target: Tensor | None) -> Tensor:
    return (output.double() - reference.double()).square().flatten(1).sum(1)


def _cross_entropy(output: Tensor, reference: Tensor, target: Tensor | None) -> Tensor:
    assert target is not None
    losses = torch.nn.functional.cross_entropy(output.double(), target, reduction="none")
    return losses if losses.dim() == 1 else losses.flatten(1).mean(1)


def _error(output: Tensor, reference: Tensor, target: Tensor | None) -> Tensor:
    assert target is not None
    return (output.double() - target.reshape(output.shape).double()).square().flatten(1).sum(1)
