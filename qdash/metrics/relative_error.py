"""Error relative to FP32, for models without labels and without classes."""

from typing import TYPE_CHECKING, ClassVar

from qdash.metrics.base import REGISTRY, Metric

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("relative_error")
class RelativeError(Metric):
    """Error relative to FP32 in %: the mean over samples of ‖quantized − FP32‖ / ‖FP32‖; needs neither labels nor
    classes; FP32 itself scores 0, lower is better."""

    binary: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = False

    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        import torch

        found, expected = output.double().flatten(1), reference.double().flatten(1)
        error, size = (found - expected).norm(dim=1), expected.norm(dim=1)
        return torch.where(error == 0, 0.0, error / size)  # of nothing, any error is infinite
