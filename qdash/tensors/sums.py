"""Named sums that are added to along the way."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Sums:
    """float64 scalars on a device, all in one small tensor that is there from the start.

    Made one by one between the activations that come and go, the small tensors of a thousand layers would leave as many
    holes in the heap, which no activation fits.
    """

    def __init__(self, names: Sequence[str], device: torch.device):
        self._values = dict(zip(names, torch.zeros(len(names), dtype=torch.float64, device=device), strict=True))
        self._added: dict[str, None] = {}

    def add(self, name: str, value: Tensor | float) -> None:
        """Adds a scalar to one of the names; nothing waits for the device."""
        self._values[name] += value
        self._added[name] = None

    def found(self) -> dict[str, Tensor]:
        """Those that were added to, float64 scalars, in the order of their first time."""
        return {name: self._values[name] for name in self._added}
