"""What the labels of a whole set look like, found before anything is computed with them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

IGNORED = (-100, 255, -1)
"""Values that mark positions without a label, as cross entropies and segmentation sets write them."""


@dataclass
class LabelStats:
    """Of all labels of a set, batch by batch.

    shapes: of one sample's labels. low, high: of the finite ones, and `low_kept`, `high_kept` without those that look
    ignored. whole: whether floats are whole numbers. binary: whether all are 0 or 1. one_hot: whether every row along
    axis 1 holds a single 1 among zeros.
    """

    shapes: set[tuple[int, ...]] = field(default_factory=set)
    floating: bool = False
    whole: bool = True
    binary: bool = True
    one_hot: bool = True
    not_finite: int = 0
    low: float = torch.inf
    high: float = -torch.inf
    low_kept: float = torch.inf
    high_kept: float = -torch.inf
    seen: set[int] = field(default_factory=set)  # of IGNORED

    def add(self, labels: Tensor) -> None:
        """Labels of some samples, (samples, …)."""
        self.shapes.add(tuple(labels.shape[1:]))
        self.floating |= labels.is_floating_point()
        finite = labels[torch.isfinite(labels)]
        self.not_finite += labels.numel() - finite.numel()
        if not finite.numel():
            return
        low, high = float(finite.min()), float(finite.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.whole &= not labels.is_floating_point() or bool((finite == finite.round()).all())
        self.binary &= low >= 0 and high <= 1 and bool(((finite == 0) | (finite == 1)).all())
        self.one_hot &= self.binary and labels.dim() > 1 and bool((labels.sum(1) == 1).all())
        self._keep(finite, low, high)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one sample's labels, None where samples differ."""
        return next(iter(self.shapes)) if len(self.shapes) == 1 else None

    def _keep(self, finite: Tensor, low: float, high: float) -> None:
        if low < 0 or high >= max(IGNORED):  # worth a closer look
            self.seen |= {value for value in IGNORED if bool((finite == value).any())}
            finite = finite[~torch.isin(finite, torch.tensor(IGNORED, dtype=finite.dtype))]
            if not finite.numel():
                return
            low, high = float(finite.min()), float(finite.max())
        self.low_kept, self.high_kept = min(self.low_kept, low), max(self.high_kept, high)


def survey(labels: Iterable[Tensor]) -> LabelStats:
    """Of all batches of a set's labels, (samples, …) each."""
    stats = LabelStats()
    for batch in labels:
        stats.add(batch)
    return stats
