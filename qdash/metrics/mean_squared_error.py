"""Mean squared error against a target of the output's shape."""

from typing import TYPE_CHECKING, ClassVar

from qdash.metrics.base import REGISTRY, Metric

if TYPE_CHECKING:
    from torch import Tensor


@REGISTRY.register("mean_squared_error")
class MeanSquaredError(Metric):
    """For regression: the mean over samples and elements of (output − label)²; lower is better."""

    unit: ClassVar[str] = ""
    difference_unit: ClassVar[str] = ""
    factor: ClassVar[float] = 1.0
    binary: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = False

    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        assert target is not None
        difference = output.double() - target.reshape(output.shape).double()
        return difference.square().flatten(1).mean(1)
