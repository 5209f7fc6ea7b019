"""In which order a work goes through batches and items, how far it is, and how long a slice of it lasts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qdash.sweep.works.position import Position

SLICE_SECONDS = 2.0
_FIRST_SLICE_SECONDS = 0.5  # so that the chart stands soon


@dataclass(frozen=True)
class Schedule:
    """Batches are the outer loop, items the inner one. sizes: samples of every batch."""

    sizes: Sequence[int]

    def following(self, batch: int, done: int, items: int) -> Position | None:
        """What comes after `done` of so many items of a batch; None at the end."""
        if done < items:
            return Position(batch, done)
        return Position(batch + 1, 0) if batch + 1 < len(self.sizes) else None

    def work(self, batch: int, done: int, opening: float, items: Sequence[float]) -> tuple[float, float]:
        """(work done, work in all) after `done` items of a batch, if all samples cost what those of this one do.

        opening, items: the work of the batch's opening and of each of its items.
        """
        whole = opening + sum(items)
        per_sample = whole / self.sizes[batch]
        finished = sum(self.sizes[:batch]) * per_sample + opening + sum(items[:done])
        return finished, sum(self.sizes) * per_sample


class Slice:
    """About two seconds of work, fewer for the first of a run; over at once where somebody wants it to stop."""

    def __init__(self, should_stop: Callable[[], bool], first: bool = False):
        self._should_stop = should_stop
        self._deadline = time.monotonic() + (_FIRST_SLICE_SECONDS if first else SLICE_SECONDS)

    @property
    def over(self) -> bool:
        """Asked after every item."""
        return time.monotonic() > self._deadline or self._should_stop()
