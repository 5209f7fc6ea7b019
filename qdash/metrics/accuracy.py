"""Share of samples whose best class is the label."""

from typing import TYPE_CHECKING

from qdash.metrics.base import REGISTRY, Metric, over_positions

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("accuracy")
class Accuracy(Metric):
    """Top-1 accuracy in %: the share of samples whose highest class score is at the label.

    Where a sample has many labels (pixels, tokens) its outcome is its own share of hits.
    """

    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        assert target is not None
        return over_positions(output.argmax(1) == target, valid)
