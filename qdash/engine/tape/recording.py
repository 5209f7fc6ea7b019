"""Sees the calls of one forward and keeps what a replay can hand back."""

from torch import Tensor

from qdash.engine.tape.tape import Alias, Slot
from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.trees import cloned, tensors


class CallRecording:
    """An interceptor for one forward; its slots make a tape.

    fresh_slots, fresh_inputs: calls whose output, or kept input, is known to be written to later. keep_inputs: modules
    whose arguments are kept. draws: whether the model draws random numbers.
    """

    def __init__(
        self,
        layers: frozenset[str] | None,
        fresh_slots: frozenset[int],
        fresh_inputs: frozenset[int],
        keep_inputs: frozenset[str],
        draws: bool,
        instrument: Instrument,
    ):
        self.slots: list[Slot] = []
        self._layers, self._last_layer = layers, -1  # the slot of the last call of one
        self._fresh_slots, self._fresh_inputs = fresh_slots, fresh_inputs
        self._keep_inputs, self._draws, self._instrument = keep_inputs, draws, instrument
        self._output_versions: list[list[int]] = []
        self._input_versions: dict[int, list[int]] = {}

    def __call__(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        position = len(self.slots)
        slot = Slot(name, 0, None)
        self.slots.append(slot)
        self._output_versions.append([])
        if self._is_layer(name):
            self._last_layer = position
        given = list(tensors([args, kwargs]))
        versions = [t._version for t in given]
        state = RandomState.now() if self._draws else None
        if name in self._keep_inputs:
            slot.inputs, slot.random_before = (args, kwargs), state
            self._input_versions[position] = versions
            if position in self._fresh_inputs:
                slot.inputs = cloned((args, kwargs))
                self._input_versions[position] = [t._version for t in tensors(list(slot.inputs))]
        executed, before = self._instrument.executed_macs, self._instrument.state()
        output = forward(*args, **kwargs)
        slot.end, slot.macs = len(self.slots), self._instrument.executed_macs - executed
        slot.again = any(kept.changed() for kept in before)
        slot.writes = [(i, t.clone()) for i, t in enumerate(given) if t._version != versions[i]]
        if state is not None and not state.same(after := RandomState.now()):
            slot.random_after = after
        self._drop_within(position)
        self._keep(slot, position, output, given)
        return output

    def _is_layer(self, name: str) -> bool:
        return self._layers is None or name in self._layers

    def _drop_within(self, parent: int) -> None:
        """Lets go of the parent's calls that ended after the last layer in it began, except layers."""
        position = parent + 1
        while position < len(self.slots):
            slot = self.slots[position]
            if slot.kept and slot.end > self._last_layer and not self._is_layer(slot.name):
                slot.output, slot.kept, slot.writes, slot.aliases = None, False, [], []
                self._output_versions[position] = []
            position = slot.end

    def _keep(self, slot: Slot, position: int, output: object, given: list[Tensor]) -> None:
        slot.output, slot.fresh = output, position in self._fresh_slots
        if slot.fresh:
            slot.aliases = [_alias(t, given) for t in tensors(output)]
            slot.output = cloned(output)
        self._output_versions[position] = [t._version for t in tensors(slot.output)]

    def changed(self) -> tuple[frozenset[int], frozenset[int]]:
        """Positions of slots whose kept outputs, and whose kept inputs, were written to after their moment."""
        outputs = (p for p, s in enumerate(self.slots) if _versions(s.output) != self._output_versions[p])
        inputs = (p for p, v in self._input_versions.items() if _versions(list(self.slots[p].inputs)) != v)
        return frozenset(outputs), frozenset(inputs)


def _versions(tree: object) -> list[int]:
    return [t._version for t in tensors(tree)]


def _alias(output: Tensor, given: list[Tensor]) -> Alias | None:
    for index, tensor in enumerate(given):
        if output is tensor or output.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr() != 0:
            layout = tuple(output.shape), output.stride(), int(output.storage_offset())
            return Alias(index, output is tensor, *layout)
    return None
