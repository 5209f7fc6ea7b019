"""Share of samples whose label is among the five best classes."""

from typing import TYPE_CHECKING, ClassVar

from qdash.metrics.base import REGISTRY, Metric, over_positions

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("top5")
class Top5(Metric):
    """Top-5 accuracy in %: the share of samples whose label is among the five highest class scores."""

    fewest_classes: ClassVar[int] = 6

    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        assert target is not None
        best = output.topk(min(5, output.shape[1]), dim=1).indices
        return over_positions((best == target.unsqueeze(1)).any(1), valid)
