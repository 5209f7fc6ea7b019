"""Share of samples whose label is among the five best classes."""

from typing import TYPE_CHECKING

from qdash.metrics.base import REGISTRY, Metric

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("top5")
class Top5(Metric):
    """Top-5 accuracy in %: the share of samples whose label is among the five highest class scores."""

    def outcomes(self, output: "Tensor", reference: "Tensor", target: "Tensor | None") -> "Tensor":
        assert target is not None
        best = output.topk(min(5, output.shape[1]), dim=1).indices
        hit = (best == target.unsqueeze(1)).any(1).double()
        return hit if hit.dim() == 1 else hit.flatten(1).mean(1)
