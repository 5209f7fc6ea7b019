"""Metrics: one outcome per sample, from the model's output; the metric is their mean."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from qdash.registry import Member, Registry

if TYPE_CHECKING:
    from torch import Tensor

REGISTRY: "Registry[Metric]" = Registry("metrics")


class Metric(Member):
    """One outcome per sample.

    `binary` outcomes are 0 or 1 and get Tango's interval; others get a BCa bootstrap. `factor` turns the mean into
    the unit shown (100 for percentages). `fewest_classes`: with fewer it says nothing.
    """

    unit: ClassVar[str] = "%"
    difference_unit: ClassVar[str] = "points"
    factor: ClassVar[float] = 100.0
    binary: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True
    needs_classes: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    fewest_classes: ClassVar[int] = 2

    @abstractmethod
    def outcomes(
        self, output: "Tensor", reference: "Tensor", target: "Tensor | None", valid: "Tensor | None" = None
    ) -> "Tensor":
        """Float tensor of shape (samples,).

        `output`: of the model under test; `reference`: of the FP32 model on the same samples; both with classes on
        axis 1 where the metric needs classes. `target`: the labels or None. `valid`: of the labels' shape, where they
        count; None where all do.
        """


def over_positions(values: "Tensor", valid: "Tensor | None") -> "Tensor":
    """(samples,) float64 from (samples, …): a sample with many labels (pixels, tokens) has its mean over those that
    count."""
    values = values.double()
    if values.dim() == 1:
        return values
    if valid is None:
        return values.flatten(1).mean(1)
    counts = valid.flatten(1)
    return (values.flatten(1) * counts).sum(1) / counts.sum(1)
