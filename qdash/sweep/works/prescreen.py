"""The suspicious layers first, so that a sweep that has just begun, or was stopped, is useful already."""

from collections.abc import Sequence

from qdash.engine.bench import Recording
from qdash.engine.gradient.estimate import estimated
from qdash.engine.item import Item
from qdash.errors import ModelError
from qdash.sweep.prepare.prepare import Prepared


def suspicious_first(prepared: Prepared, items: Sequence[Item]) -> list[Item]:
    """The items by falling estimated output error on a few samples: one forward and one backward pass.

    In network order where the model has no gradients. The same order in every process.
    """
    bench = prepared.bench.twin(Recording(inputs=True, gradients=True))
    try:
        bench.load(prepared.first)
        found = list(estimated(bench, items, passes=1, kl_passes=0, loss_passes=0))
    except ModelError:
        return list(items)
    damage = [float(measured.samples["noise"].sum()) for measured in found]
    finite = [value if value == value else float("inf") for value in damage]
    return [item for _, item in sorted(zip(finite, items, strict=True), key=lambda pair: -pair[0])]
