"""Records one forward and replays its unchanged prefix, exact to the bit, in-place operations included.

With only layer l quantized, all that ended before l began is what FP32 computed, at every level of nesting. Models may
write in place: an output that changed after its module returned is kept as a copy from its moment and handed back as a
fresh copy; a module that writes into its arguments does so again; outputs that are views of an argument stay views.

Only what a replay can hand back is held: a call that ended after the last layer within its parent began is either run
again, as the layer's own successor, or lies in what its parent hands back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from qdash.errors import ModelError
from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Args, Call, Forward, Kwargs
from qdash.tensors.trees import cloned, map_tensors, tensors


@dataclass
class Slot:
    """One call: output as it was on return, the slots it spans, and what it did besides."""

    name: str
    end: int
    output: object
    kept: bool = True  # whether the output is still there to be handed back
    macs: float = 0.0  # executed within, nested calls included
    inputs: Call = ((), {})  # as it was given, where it is kept
    fresh: bool = False  # the output is written to later: hand back copies
    aliases: list["_Alias | None"] = field(default_factory=list)  # per output tensor, if fresh
    writes: list[tuple[int, Tensor]] = field(default_factory=list)  # argument tensor → content after the call
    random_before: RandomState | None = None  # where it keeps its inputs and the model draws numbers
    random_after: RandomState | None = None  # where the call drew numbers


@dataclass(frozen=True)
class _Alias:
    """An output tensor that shares the memory of an argument tensor."""

    argument: int
    same_object: bool
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


class Tape:
    """The calls of one recorded forward, in call order, and the model's output."""

    def __init__(self, slots: list[Slot], output: object, macs: float):
        self.slots, self.output, self.macs = slots, output, macs
        self.calls: dict[str, list[int]] = {}
        for position, slot in enumerate(slots):
            self.calls.setdefault(slot.name, []).append(position)

    def work_from(self, stop: int) -> float:
        """Multiply-accumulates that a replay up to slot `stop` really executes."""
        position, skipped = 0, 0.0
        while position < stop:
            slot = self.slots[position]
            handed_back = slot.kept and slot.end <= stop
            skipped += slot.macs if handed_back else 0.0
            position = slot.end if handed_back else position + 1
        return self.macs - skipped


class Recorder:
    """Records and replays forwards of an instrumented model.

    layers: the modules whose outputs are kept, and that replays start from; None: any.
    """

    def __init__(self, instrument: Instrument, layers: frozenset[str] | None = None):
        self.instrument = instrument
        self._layers = layers
        self._fresh_slots: frozenset[int] = frozenset()
        self._fresh_inputs: frozenset[int] = frozenset()
        self._writes_to_batch = False
        self.draws = False  # whether the model draws random numbers

    def record(
        self,
        args: Args,
        kwargs: Kwargs,
        keep_inputs: frozenset[str] = frozenset(),
        starting: Callable[[], None] = lambda: None,
    ) -> Tape:
        """One forward; `keep_inputs` names the modules whose (args, kwargs) are kept as they were.

        A model that writes in place is recorded twice the first time: once to see which outputs don't last. `starting`
        is called before each.
        """
        while True:
            recording = _Recording(
                self._layers, self._fresh_slots, self._fresh_inputs, keep_inputs, self.draws, self._executed
            )
            starting()
            before = self._executed()
            state = RandomState.now()
            batch = cloned((args, kwargs))  # the forward may write into its input
            seen = [(t, t._version) for t in tensors(batch)]
            with self.instrument.intercepting(recording):
                output = self.instrument.run(*batch)
            self._writes_to_batch |= any(t._version != v for t, v in seen)
            draws = not state.same(RandomState.now())
            slots, inputs = recording.changed()
            state.restore()
            if slots <= self._fresh_slots and inputs <= self._fresh_inputs and draws <= self.draws:
                return Tape(recording.slots, output, self._executed() - before)
            self._fresh_slots |= slots
            self._fresh_inputs |= inputs
            self.draws |= draws

    def replay(self, tape: Tape, stop: int, args: Args, kwargs: Kwargs) -> object:
        """A forward in which every call that ended before slot `stop` hands back its recorded output.

        Raises ModelError where the model doesn't repeat its calls.
        """
        state = RandomState.now() if self.draws else None
        batch = cloned((args, kwargs)) if self._writes_to_batch else (args, kwargs)
        replaying = _Replaying(tape, stop)
        with self.instrument.intercepting(replaying):
            output = self.instrument.run(*batch)
        if state is not None:
            state.restore()
        replaying.check_unharmed()
        return output

    def run(self, args: Args, kwargs: Kwargs) -> object:
        """A whole forward with the same inputs and random numbers as the recorded one."""
        return self.replay(Tape([], None, 0.0), 0, args, kwargs)

    def _executed(self) -> float:
        return self.instrument.executed_macs


class _Recording:
    def __init__(
        self,
        layers: frozenset[str] | None,
        fresh_slots: frozenset[int],
        fresh_inputs: frozenset[int],
        keep_inputs: frozenset[str],
        draws: bool,
        executed: Callable[[], float],
    ):
        self.slots: list[Slot] = []
        self._layers, self._last_layer = layers, -1  # the slot of the last call of one
        self._fresh_slots, self._fresh_inputs = fresh_slots, fresh_inputs
        self._keep_inputs, self._draws, self._executed = keep_inputs, draws, executed
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
        executed = self._executed()
        output = forward(*args, **kwargs)
        slot.end, slot.macs = len(self.slots), self._executed() - executed
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
            slot.output = map_tensors(Tensor.clone, output)
        self._output_versions[position] = [t._version for t in tensors(slot.output)]

    def changed(self) -> tuple[frozenset[int], frozenset[int]]:
        """Positions of slots whose kept outputs, and whose kept inputs, were written to after their moment."""
        outputs = (p for p, s in enumerate(self.slots) if _versions(s.output) != self._output_versions[p])
        inputs = (p for p, v in self._input_versions.items() if _versions(list(self.slots[p].inputs)) != v)
        return frozenset(outputs), frozenset(inputs)


class _Replaying:
    def __init__(self, tape: Tape, stop: int):
        self.tape, self.stop, self.position = tape, stop, 0
        self._lent: list[tuple[str, Tensor, int]] = []

    def __call__(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        if self.position >= self.stop:
            return forward(*args, **kwargs)
        slot = self.tape.slots[self.position]
        if slot.name != name:
            raise ModelError(
                f"the model does not repeat its calls: {slot.name} was called first and now {name}, with the same "
                "input; remove what depends on time, counters or unseeded random numbers from its forward"
            )
        if not slot.kept or slot.end > self.stop:
            self.position += 1
            return forward(*args, **kwargs)
        self.position = slot.end
        return self._hand_back(slot, args, kwargs)

    def _hand_back(self, slot: Slot, args: Args, kwargs: Kwargs) -> object:
        if slot.random_after is not None:
            slot.random_after.restore()
        given = list(tensors([args, kwargs])) if slot.writes or slot.fresh else []
        for argument, content in slot.writes:
            given[argument].copy_(content)
        if slot.fresh:
            aliases = iter(slot.aliases)
            return map_tensors(lambda t: _fresh(t, next(aliases), given), slot.output)
        self._lent += [(slot.name, t, t._version) for t in tensors(slot.output)]
        return slot.output

    def check_unharmed(self) -> None:
        """Raises ModelError where this pass wrote into a recorded output that the recorded pass left alone."""
        for name, tensor, version in self._lent:
            if tensor._version != version:
                raise ModelError(
                    f"{name}: its output is written to in place only on some paths of the model, so its prefix can't "
                    "be reused; replace the in-place operation"
                )


def _versions(tree: object) -> list[int]:
    return [t._version for t in tensors(tree)]


def _alias(output: Tensor, given: list[Tensor]) -> _Alias | None:
    for index, tensor in enumerate(given):
        if output is tensor or output.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr() != 0:
            layout = tuple(output.shape), output.stride(), int(output.storage_offset())
            return _Alias(index, output is tensor, *layout)
    return None


def _fresh(recorded: Tensor, alias: _Alias | None, given: list[Tensor]) -> Tensor:
    if alias is None:
        return recorded.clone()
    argument = given[alias.argument]
    return argument if alias.same_object else argument.as_strided(alias.shape, alias.stride, alias.offset)
