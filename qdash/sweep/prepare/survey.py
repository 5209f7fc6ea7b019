"""One forward in which everything is seen: modules and functional operations, and what each multiplies."""

from collections.abc import Container, Mapping, Sequence

from torch import nn

from qdash.instrument.arguments import inputs_of
from qdash.instrument.calls import Instrument
from qdash.instrument.operations import Operation
from qdash.layers.base import LayerKind
from qdash.layers.functional import Functional
from qdash.sweep.prepare.received import ReceivedWeights
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.samples import Batch
from qdash.tensors.trees import Tree, cloned, map_tensors, tensors


class Survey:
    """Of one batch, per sample: what was called, in which order, how many multiply-accumulates each call did.

    kinds: of modules, and, once they are seen, of operations. macs, covered_macs: by layer and operation; nested
    operations of a layer don't count again. reads: operation → the parameter that it takes. beside: operation → the
    layer whose own product it is not, though it runs in it. masks: operations with an operand that holds infinities, as
    a sum with an attention mask has.
    """

    def __init__(self, instrument: Instrument, kinds: Mapping[str, LayerKind]):
        self.instrument, self.kinds = instrument, dict(kinds)
        self.first_call: dict[str, int] = {}
        self.macs: dict[str, float] = {}
        self.covered_macs: dict[str, float] = {}
        self.reads: dict[str, str] = {}
        self.beside: dict[str, str] = {}
        self._received = ReceivedWeights(instrument, kinds)
        self._composed: Container[str] = self._received  # layers whose operations are seen
        self.masks: set[str] = set()
        self._operation = Functional()
        named = list(instrument.model.named_parameters(remove_duplicate=False))
        self._parameters = {id(p): name for name, p in named}
        self._stored = {p.untyped_storage().data_ptr(): name for name, p in named}
        self._samples = 1

    def take(self, batch: Batch) -> object:
        """The model's output on the batch; operations join the instrument's modules."""
        self._samples = batch.size
        self.instrument.shows, self.instrument.hides = self.shows, self._received.is_own
        try:
            with self.instrument.intercepting(self._see):
                output = self.instrument.run(*cloned((batch.args, batch.kwargs)))
        finally:
            self.instrument.shows = None
        for found in (self.first_call, self.kinds, self.macs, self.covered_macs, self.reads, self.beside):
            for operation in self._received.own:
                found.pop(operation, None)
        self._composed = set(self.beside.values())
        for name, computed in self._received.computed.items():
            self.instrument.set_computed(name, computed)
        return output

    def by_place(self) -> dict[str, float]:
        """Module → multiply-accumulates per sample of the functional operations in its own forward."""
        found: dict[str, float] = {}
        for name, macs in self.macs.items():
            place, is_operation, _ = name.rpartition("#")
            if is_operation:
                found[place] = found.get(place, 0.0) + macs
        return found

    def shows(self, open_calls: Sequence[str], operation: str) -> bool:
        """Operations outside of layers, and those inside of one that are not its own product.

        What a parametrization computes a weight with is none of them.
        """
        layer = next((name for name in reversed(open_calls) if name in self.kinds), None)
        if layer is None or operation in self.kinds[layer].inner_operations:
            return True
        return layer in self._composed and "parametrizations" not in open_calls[-1].split(".")

    def _see(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        self.first_call.setdefault(name, len(self.first_call))
        module = self.instrument.modules[name]
        if isinstance(module, Operation):
            self._received.name(name)
            output = forward(*args, **kwargs)
            self.kinds.setdefault(name, self._operation)
            self._note(name, module, args, kwargs)
            given = inputs_of(self.kinds[name].inputs(module), args, kwargs)
            if any(t.is_floating_point() and bool(t.isinf().any()) for t in tensors(given)):
                self.masks.add(name)
        else:
            with self._received.watching(name, lambda: module.forward(*_other(args), **_other(kwargs))):
                output = forward(*args, **kwargs)
        if name in self.kinds:
            self._count(name, module, (*args, *kwargs.values()), output)
        return output

    def _count(self, name: str, module: nn.Module, args: Args, output: object) -> None:
        kind = self.kinds[name]
        for found, count in ((self.macs, kind.macs), (self.covered_macs, kind.weight_macs)):
            found[name] = found.get(name, 0.0) + count(module, args, output) / self._samples

    def _note(self, name: str, module: nn.Module, args: Args, kwargs: Kwargs) -> None:
        kind, layer = self.kinds[name], self._received.layer()
        if layer is not None:
            self.beside[name] = layer
            memories = (tensor.untyped_storage().data_ptr() for tensor in tensors([args, kwargs]))
            if read := next((self._stored[memory] for memory in memories if memory in self._stored), None):
                self.reads[name] = read
        for argument, value in inputs_of(kind.inputs(module), args, kwargs).items():
            if argument in kind.weight_inputs(module) and id(value) in self._parameters:
                self.reads[name] = self._parameters[id(value)]


def _other(tree: Tree) -> Tree:
    """Other inputs of the same shapes."""
    return map_tensors(lambda t: 0.3 - 0.7 * t if t.is_floating_point() else t.clone(), tree)
