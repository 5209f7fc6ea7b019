"""Share of samples on which the quantized model predicts what FP32 predicts."""

from typing import TYPE_CHECKING, ClassVar

from qdash.metrics.base import REGISTRY, Metric

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("agreement")
class Agreement(Metric):
    """Top-1 agreement with FP32 in %: needs no labels; FP32 itself scores 100."""

    needs_labels: ClassVar[bool] = False

    def outcomes(self, output: "Tensor", reference: "Tensor", target: "Tensor | None") -> "Tensor":
        same = (output.argmax(1) == reference.argmax(1)).double()
        return same if same.dim() == 1 else same.flatten(1).mean(1)
