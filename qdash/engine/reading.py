"""What one forward gave, of which the damage is measured: the judged outputs, and class scores among them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """judged: (samples, …), what SQNR is of; several outputs are laid side by side, each scaled by √weight.
    scores: (samples, classes, …) logits, None where there are no class scores. valued: (samples, …), what a metric
    without classes compares with its targets."""

    judged: Tensor
    scores: Tensor | None
    valued: Tensor

    def detached(self) -> "Reading":
        """Without the graph."""
        scores = None if self.scores is None else self.scores.detach()
        return Reading(self.judged.detach(), scores, self.valued.detach())
