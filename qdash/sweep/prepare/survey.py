"""One forward in which everything is seen: modules and functional operations, and what each multiplies."""

from collections.abc import Mapping, Sequence

from torch import nn

from qdash.instrument.arguments import inputs_of
from qdash.instrument.calls import Instrument
from qdash.instrument.operations import Operation
from qdash.layers.base import LayerKind
from qdash.layers.functional import Functional
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.samples import Batch
from qdash.tensors.trees import cloned, tensors


class Survey:
    """Of one batch, per sample: what was called, in which order, how many multiply-accumulates each call did.

    kinds: of modules, and, once they are seen, of operations. macs, covered_macs: by layer and operation; nested
    operations of a layer don't count again. reads: operation → the parameter that it takes as its weight. masks:
    operations with an operand that holds infinities, as a sum with an attention mask has.
    """

    def __init__(self, instrument: Instrument, kinds: Mapping[str, LayerKind]):
        self.instrument, self.kinds = instrument, dict(kinds)
        self.first_call: dict[str, int] = {}
        self.macs: dict[str, float] = {}
        self.covered_macs: dict[str, float] = {}
        self.reads: dict[str, str] = {}
        self.masks: set[str] = set()
        self._operation = Functional()
        self._parameters = {id(p): name for name, p in instrument.model.named_parameters(remove_duplicate=False)}
        self._samples = 1

    def take(self, batch: Batch) -> object:
        """The model's output on the batch; operations join the instrument's modules."""
        self._samples = batch.size
        self.instrument.shows = self.shows
        try:
            with self.instrument.intercepting(self._see):
                return self.instrument.run(*cloned((batch.args, batch.kwargs)))
        finally:
            self.instrument.shows = None

    def by_place(self) -> dict[str, float]:
        """Module → multiply-accumulates per sample of the functional operations in its own forward."""
        found: dict[str, float] = {}
        for name, macs in self.macs.items():
            place, is_operation, _ = name.rpartition("#")
            if is_operation:
                found[place] = found.get(place, 0.0) + macs
        return found

    def shows(self, open_calls: Sequence[str], operation: str) -> bool:
        """Operations outside of layers, and those inside of one that are not its own product."""
        kind = next((self.kinds[name] for name in reversed(open_calls) if name in self.kinds), None)
        return kind is None or operation in kind.inner_operations

    def _see(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        self.first_call.setdefault(name, len(self.first_call))
        module = self.instrument.modules[name]
        output = forward(*args, **kwargs)
        if isinstance(module, Operation):
            self.kinds.setdefault(name, self._operation)
            self._note_weight(name, module, args, kwargs)
            given = inputs_of(self.kinds[name].inputs(module), args, kwargs)
            if any(t.is_floating_point() and bool(t.isinf().any()) for t in tensors(given)):
                self.masks.add(name)
        if name in self.kinds:
            self._count(name, module, (*args, *kwargs.values()), output)
        return output

    def _count(self, name: str, module: nn.Module, args: Args, output: object) -> None:
        kind = self.kinds[name]
        for found, count in ((self.macs, kind.macs), (self.covered_macs, kind.weight_macs)):
            found[name] = found.get(name, 0.0) + count(module, args, output) / self._samples

    def _note_weight(self, name: str, module: nn.Module, args: Args, kwargs: Kwargs) -> None:
        kind = self.kinds[name]
        for argument, value in inputs_of(kind.inputs(module), args, kwargs).items():
            if argument in kind.weight_inputs(module) and id(value) in self._parameters:
                self.reads[name] = self._parameters[id(value)]
