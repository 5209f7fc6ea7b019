"""Laws of recommenders: what they propose can be measured, and looking closer comes to an end."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import pytest

from qdash.recommenders.base import Recommender
from qdash.testing.laws import Laws

networks = pytest.mark.parametrize("layers", [1, 2, 5, 24, 25, 200])


class RecommenderLaws(Laws):
    """Over networks of 1 to 200 layers."""

    family: ClassVar[str] = "recommenders"

    @networks
    def test_sets_are_of_known_layers_each_once_and_no_set_comes_twice(self, member: Recommender, layers: int) -> None:
        sets = member.propose(rows(layers))
        known = {row.layer for row in rows(layers)}
        assert all(set(keep) <= known and len(set(keep)) == len(keep) for keep in sets)
        assert len({frozenset(keep) for keep in sets}) == len(sets)

    @networks
    def test_the_first_set_is_empty_and_none_is_smaller_than_the_one_before(
        self, member: Recommender, layers: int
    ) -> None:
        sizes = [len(keep) for keep in member.propose(rows(layers))]
        assert sizes[0] == 0
        assert all(one <= other for one, other in pairwise(sizes))

    @networks
    def test_sets_between_two_sizes_lie_between_them_until_none_is_left(self, member: Recommender, layers: int) -> None:
        too_small, large_enough = 0, layers
        while sets := member.between(rows(layers), too_small, large_enough):
            assert all(too_small < len(keep) < large_enough for keep in sets)
            large_enough = min(len(keep) for keep in sets)
        assert member.between(rows(layers), layers, layers) == []

    def test_rows_stay_as_they_were(self, member: Recommender) -> None:
        given = rows(30)
        member.propose(given)
        member.between(given, 3, 9)
        assert given == rows(30)


@dataclass(frozen=True)
class KnownRow:
    """A row whose numbers are given."""

    layer: str
    numbers: tuple[tuple[str, float], ...]

    def number(self, key: str) -> float | None:
        """See `recommenders.base.Row`."""
        return dict(self.numbers).get(key)


def rows(layers: int) -> list[KnownRow]:
    """Ranked worst first; all have the same errors but the first half."""
    numbers = (
        {
            "params": 100.0,
            "macs": 1000.0,
            "model_output_kl": max(0.1, 2.0**-i),
            "model_output_sqnr_db": 10.0,
            "metric_delta": -1.0 / (i + 1),
        }
        for i in range(layers)
    )
    return [KnownRow(f"l{i}", tuple(found.items())) for i, found in enumerate(numbers)]
