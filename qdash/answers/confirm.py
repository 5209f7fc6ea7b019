"""Chooses a set on one half of the evaluation samples and measures it on the other half."""

from collections.abc import Callable
from dataclasses import dataclass

from qdash.answers.stored import Sweep, measurements
from qdash.recommenders.base import DEFAULT, REGISTRY
from qdash.results.frontier import Limits, Point, choose, frontier_point
from qdash.results.layer_rows import layer_rows
from qdash.results.ranking import ranked
from qdash.spec.setting import Setting
from qdash.store.store import Store

Sets = list[tuple[str, ...]]


@dataclass(frozen=True)
class Confirmed(Point):
    """A set on samples that had no say in its choice, and whether it holds there."""

    verdict: str


def confirmed(
    store: Store,
    sweep: Sweep,
    setting: Setting,
    limits: Limits,
    measure: Callable[[Sets], None],
    recommender: str = DEFAULT,
) -> Confirmed | None:
    """The set chosen on the first half, as measured on the second.

    Ranking and choice see the first half only. `measure` measures sets on all samples, whose outcomes are kept per
    sample, so that a half is a part of them. None where no set meets the limits.
    """
    better = sweep.facts.metric.higher_is_better
    first = sweep.tallies.half(second=False)
    rows = ranked(layer_rows(sweep.spec, setting, sweep.facts, first))
    sets = REGISTRY.create(recommender).propose(rows)
    known = {frozenset(keep) for _, keep in measurements(store, sweep, setting)}
    measure([keep for keep in sets if frozenset(keep) not in known])
    point = choose(_points(store, sweep, setting, sets, second=False), limits, better).point
    if point is None:
        return None
    (held,) = _points(store, sweep, setting, [point.layers], second=True)
    return Confirmed(**vars(held), verdict=choose([held], limits, better).verdict)


def _points(store: Store, sweep: Sweep, setting: Setting, sets: Sets, second: bool) -> list[Point]:
    wanted = {frozenset(keep): keep for keep in sets}
    found: dict[frozenset[str], Point] = {}
    for tallies, keep in measurements(store, sweep, setting):
        if frozenset(keep) in wanted:
            half = tallies.half(second)
            point = frontier_point(wanted[frozenset(keep)], sweep.facts, setting, half, sweep.spec.seed)
            if point is not None:
                found[frozenset(keep)] = point
    return sorted(found.values(), key=lambda point: point.k)
