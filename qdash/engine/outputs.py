"""The model's output against FP32: energies, KL, outcomes and flips per sample."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.errors import DataError, ModelError
from qdash.metrics.base import Metric
from qdash.tensors.energy import rows_energy, rows_noise
from qdash.tensors.trees import first_float


@dataclass(frozen=True)
class OutputReader:
    """Reads the tensor that counts from a model's output and compares it with the reference.

    class_axis: where class scores lie, None where the output holds no class scores (then KL is not computed).
    """

    metric: Metric
    class_axis: int | None

    def read(self, output: object, detach: bool = True) -> Tensor:
        """(samples, classes, …) where there are classes, else the output as it is."""
        tensor = first_float(output)
        if tensor is None:
            raise ModelError("the model's output holds no floating tensor; wrap the model so that it returns scores")
        tensor = tensor.detach() if detach else tensor
        return tensor if self.class_axis in (None, 1) else tensor.movedim(self.class_axis or 1, 1)

    def baseline(self, reference: Tensor, target: Tensor | None) -> dict[str, Tensor]:
        """(samples,) float64: `signal` = Σ r², `outcome` of the metric. reference: as `read` gave it."""
        outcome = self.metric.outcomes(reference, reference, target)
        return {"signal": rows_energy(reference), "outcome": outcome.double()}

    def compare(self, output: Tensor, reference: Tensor, target: Tensor | None) -> dict[str, Tensor]:
        """(samples,) float64: `noise` = Σ (r − r̃)², `energy` = Σ r̃², `dot` = Σ r·r̃, `outcome`; and with classes
        `kl` = KL(FP32 ‖ quantized) in nats, `flipped` = share of changed predictions."""
        found = {
            "noise": rows_noise(reference, output),
            "energy": rows_energy(output),
            "dot": (reference.double() * output.double()).flatten(1).sum(1),
            "outcome": self.metric.outcomes(output, reference, target).double(),
        }
        if self.class_axis is not None:
            found["kl"] = divergence(reference, output)
            changed = (reference.argmax(1) != output.argmax(1)).double()
            found["flipped"] = changed if changed.dim() == 1 else changed.flatten(1).mean(1)
        return found


def divergence(reference: Tensor, output: Tensor) -> Tensor:
    """KL(softmax(reference) ‖ softmax(output)) in nats over axis 1, mean over a sample's positions.

    reference, output: (samples, classes, …); the result: (samples,) float64.
    """
    expected = torch.log_softmax(reference.double(), 1)
    got = torch.log_softmax(output.double(), 1)
    positions = (expected.exp() * (expected - got)).sum(1)
    return positions if positions.dim() == 1 else positions.flatten(1).mean(1)


def reader_for(metric: Metric, output: object, target: Tensor | None, samples: int) -> OutputReader:
    """Checks that the metric can be computed from this output and these labels, and finds the class axis.

    Raises DataError with expected and got.
    """
    tensor = first_float(output)
    if tensor is None:
        raise ModelError("the model's output holds no floating tensor; wrap the model so that it returns scores")
    if tensor.dim() == 0 or tensor.shape[0] != samples:
        raise DataError(
            f"the model's output has shape {tuple(tensor.shape)} for {samples} samples; its axis 0 must be the samples"
        )
    if metric.needs_labels and target is None:
        raise DataError(
            f"the metric {metric.name} needs labels and the data have none; add labels (y) or use --metric agreement"
        )
    axis = _class_axis(tensor, target) if metric.needs_classes else None
    if metric.needs_classes and axis is None:
        raise DataError(
            f"the metric {metric.name} needs class scores and the output has shape {tuple(tensor.shape)}; "
            "use --metric mean_squared_error for regression"
        )
    _check_labels(metric, tensor, target, axis)
    return OutputReader(metric, axis)


def _class_axis(output: Tensor, target: Tensor | None) -> int | None:
    if output.dim() < 2:
        return None
    if target is not None and not target.is_floating_point():
        for axis in (1, output.dim() - 1):
            if output.shape[:axis] + output.shape[axis + 1 :] == target.shape:
                return axis
    return output.dim() - 1 if output.dim() == 3 else 1


def _check_labels(metric: Metric, output: Tensor, target: Tensor | None, axis: int | None) -> None:
    if not metric.needs_labels or target is None:
        return
    if axis is None:
        if target.numel() != output.numel():
            raise DataError(f"labels of shape {tuple(target.shape)} for an output of shape {tuple(output.shape)}")
        return
    expected = tuple(output.shape[:axis] + output.shape[axis + 1 :])
    if target.is_floating_point() or tuple(target.shape) != expected:
        raise DataError(
            f"the metric {metric.name} expects integer labels of shape {expected}, got {str(target.dtype)[6:]} "
            f"{tuple(target.shape)}"
        )
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= output.shape[axis]:
        raise DataError(f"labels go from {low} to {high}, but the output has {output.shape[axis]} classes")
