"""Settings of a matrix that change nothing: what one of them gave is the other's result."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from qdash.bench import Bench, Item, Measured
from qdash.sensitivity.base import Method
from qdash.spec import Setting


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
        return item.layer, identity_of(bench, item.setting, bench.layers if method.quantizes_others else [item.layer])

    return {item: first.setdefault(identity(item), item) for item in items}


def identity_of(bench: Bench, setting: Setting, layers: Iterable[str]) -> Hashable:
    """Equal for two settings of the bench that do the same to these layers on the current batch."""
    if len(bench.settings) < 2:
        return setting.key
    called = [layer for layer in layers if bench.calls(layer)]
    quantizers = [q for layer in called for q in bench.quantizers(layer, setting).values()]
    return tuple(q.fingerprint for q in quantizers) or setting.key
