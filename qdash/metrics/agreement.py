"""Share of samples on which the quantized model predicts what FP32 predicts."""

from typing import TYPE_CHECKING, ClassVar

from qdash.metrics.base import REGISTRY, Metric, over_positions

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("agreement")
class Agreement(Metric):
    """Top-1 agreement with FP32 in %: needs no labels; FP32 itself scores 100."""

    needs_labels: ClassVar[bool] = False

    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        return over_positions(output.argmax(1) == reference.argmax(1), valid)
