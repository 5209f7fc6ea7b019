"""The k most sensitive layers, for growing k."""

from collections.abc import Sequence

from pydantic import Field

from qdash.recommenders.base import REGISTRY, Recommender, Row


@REGISTRY.register("ranked")
class Ranked(Recommender):
    """Keeps the k most sensitive layers in FP32. Every k where layers are few; else ever wider steps, then between."""

    measure_all_up_to: int = Field(24, ge=1, description="networks up to this many layers get every k")

    def propose(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        return [_first(rows, k) for k in self._sizes(len(rows))]

    def between(self, rows: Sequence[Row], too_small: int, large_enough: int) -> list[tuple[str, ...]]:
        middle = (too_small + large_enough) // 2
        return [_first(rows, middle)] if too_small < middle < large_enough else []

    def _sizes(self, layers: int) -> list[int]:
        if layers <= self.measure_all_up_to:
            return list(range(layers + 1))
        sizes, step = [0, 1, 2, 3, 4], 2
        while sizes[-1] + step < layers:
            sizes.append(sizes[-1] + step)
            step = max(step, sizes[-1] // 2)
        return [*sizes, layers]


def _first(rows: Sequence[Row], k: int) -> tuple[str, ...]:
    return tuple(row.layer for row in rows[:k])
