"""What a fine-tune minimises: the distance to the FP32 model's output, or to the labels."""

from collections.abc import Callable

import torch
from torch import Tensor

from qdash.engine.outputs import OutputReader, divergence
from qdash.errors import DataError

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(output, FP32 output, labels) → (samples,) float64."""


def loss_of(choice: str, reader: OutputReader, target: Tensor | None) -> tuple[Loss, str]:
    """The loss and what it is called. choice: of `modes.qat.Loss`.

    distillation (auto): the squared error against the FP32 output, summed over a sample (Ba & Caruana 2014,
    arXiv:1312.6184). distillation_kl: KL(FP32 ‖ quantized) in nats where outputs are class scores; of samples that FP32
    is sure of it sees little. labels: cross-entropy in nats, or the squared error. Raises DataError where there are no
    labels.
    """
    if choice == "distillation_kl" and reader.class_axis is not None:
        return _divergence, "distillation (KL)"
    if choice != "labels":
        return _distance, "distillation (squared error)"
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
