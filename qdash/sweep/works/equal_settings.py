"""Settings of a matrix that change nothing: what one of them gave is the other's result."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from qdash.engine.bench import Bench
from qdash.engine.item import Item, Measured
from qdash.methods.base import Method
from qdash.spec.setting import Setting


class _Models(dict[str, Hashable]):
    """Key of a setting → identity of the whole model under it, on the current batch."""


def measured_once(method: Method, bench: Bench, items: Sequence[Item]) -> Iterator[Measured]:
    """One Measured per item, from as few as differ; one that is reused took no time."""
    first = distinct(method, bench, items)
    found = method.measure(bench, [item for item in items if first[item] is item])
    done: dict[Item, Measured] = {}
    for item in items:
        if first[item] is item:
            done[item] = next(found)
            yield done[item]
        else:
            yield replace(done[first[item]], seconds=0.0)


def distinct(method: Method, bench: Bench, items: Sequence[Item]) -> dict[Item, Item]:
    """Each item → the first one of its layer that quantizes the same weights and inputs in the same way."""
    first: dict[Hashable, Item] = {}

    def identity(item: Item) -> Hashable:
        return of_model(bench, item.setting) if method.quantizes_others else _of_layer(bench, item)

    return {item: first.setdefault((item.layer, identity(item)), item) for item in items}


def of_model(bench: Bench, setting: Setting) -> Hashable:
    """Equal for two settings that do the same to every layer on the current batch."""
    known = bench.kept(_Models)
    if setting.key not in known:
        known[setting.key] = tuple(_of_layer(bench, Item(layer, setting)) for layer in bench.layers)
    return known[setting.key]


def _of_layer(bench: Bench, item: Item) -> Hashable:
    if len(bench.settings) < 2 or not bench.calls(item.layer):
        return item.setting.key
    return tuple(q.fingerprint for q in bench.quantizers.of(item).values())
