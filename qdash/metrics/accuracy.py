"""Share of samples whose best class is the label."""

from typing import TYPE_CHECKING

from qdash.metrics.base import REGISTRY, Metric

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("accuracy")
class Accuracy(Metric):
    """Top-1 accuracy in %: the share of samples whose highest class score is at the label.

    Where a sample has many labels (pixels, tokens) its outcome is its own share of hits.
    """

    def outcomes(self, output: "Tensor", reference: "Tensor", target: "Tensor | None") -> "Tensor":
        assert target is not None
        return (output.argmax(1) == target).double().flatten(1).mean(1) if output.dim() > 2 else _hit(output, target)


def _hit(output: "Tensor", target: "Tensor") -> "Tensor":
    return (output.argmax(1) == target).double()
