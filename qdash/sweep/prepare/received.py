"""What the product of a layer really receives as its weight, and which product is its own, told on one forward."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from torch import Tensor, nn

from qdash.instrument.calls import Instrument
from qdash.instrument.computed import ComputedWeight, WeightWatch, constant
from qdash.instrument.random_state import RandomState
from qdash.instrument.weights import registered_weight
from qdash.layers.base import LayerKind


class _Registered(NamedTuple):
    path: str
    axis: int
    weight: Tensor


class ReceivedWeights:
    """Watches the layers that are one product with one weight, while they run.

    A weight that forward computes from its parameters alone is the same under other inputs: a second run of the layer
    tells. computed: by layer, where the product doesn't receive what is registered.
    """

    def __init__(self, instrument: Instrument, kinds: Mapping[str, LayerKind]):
        self.computed: dict[str, ComputedWeight] = {}
        self._layers = {name: one for name, kind in kinds.items() if (one := _one(kind, instrument.modules[name]))}
        self._kernels = {name for name, kind in kinds.items() if kind.is_one_kernel}
        self._open: list[tuple[str, WeightWatch | None]] = []
        self.own: set[str] = set()  # operations that are the product of their layer

    def __contains__(self, layer: object) -> bool:
        """Whether an operation in this layer is its own product or one beside it."""
        return layer in self._layers or layer in self._kernels

    def is_own(self, operation: str) -> bool:
        """Whether the operation that begins is the product of the layer that it is in."""
        watch = self._open[-1][1] if self._open else None
        if watch is not None and watch.is_own:
            self.own.add(operation)
        return operation in self.own

    def name(self, operation: str) -> None:
        """Says what the operation that runs now is called."""
        watch = self._open[-1][1] if self._open else None
        for received in watch.current if watch is not None else ():
            received.operation = operation

    def layer(self) -> str | None:
        """Of these layers the one that runs now."""
        return next((name for name, _ in reversed(self._open) if name in self), None)

    @contextmanager
    def watching(self, name: str, again: Callable[[], object]) -> Iterator[None]:
        """Around the forward of a module. again: runs it once more, with other inputs."""
        registered = self._layers.get(name)
        if registered is None:
            self._open.append((name, None))
            try:
                yield
            finally:
                self._open.pop()
            return
        watch = WeightWatch(registered.weight, registered.axis, lambda: self._open[-1][0] == name)
        self._open.append((name, watch))
        try:
            with watch:
                yield
        finally:
            self._open.pop()
        if found := watch.own():
            self.own |= {received.operation for received in found} - {""}
            self._compare(name, registered, watch, again)

    def _compare(self, name: str, registered: _Registered, watch: WeightWatch, again: Callable[[], object]) -> None:
        second, state = WeightWatch(registered.weight, registered.axis, lambda: True), RandomState.now()
        with suppress(Exception), second:  # a forward that can't take other inputs tells nothing
            again()
        state.restore()
        found = ComputedWeight(registered.path, registered.axis, constant(watch, second))
        self.computed[name] = found.agreed(self.computed.get(name, found))


def _one(kind: LayerKind, module: nn.Module) -> _Registered | None:
    """Of a kind that is one product with a weight, as its operators say."""
    weights = kind.weights(module)
    if len(weights) != 1 or all(operator.weight is None for operator in kind.operations):
        return None
    ((path, axis),) = weights.items()
    return _Registered(path, axis, registered_weight(module, path))
