"""What is measured, and what measuring it gave."""

import time
from dataclasses import dataclass, field

from torch import Tensor

from qdash.spec.setting import Setting


@dataclass(frozen=True)
class Item:
    """One layer under one setting."""

    layer: str
    setting: Setting


@dataclass
class Measured:
    """What one item gave on one batch, still on the device.

    sums: float64 scalars. samples: (samples,) float64 each. seconds: wall time.
    """

    sums: dict[str, Tensor] = field(default_factory=dict)
    samples: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


class Stopwatch:
    """Wall seconds of a block."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        self.seconds = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
