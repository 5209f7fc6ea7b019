"""Records one forward and replays its unchanged prefix, exact to the bit, in-place operations included.

With only layer l quantized, all that ended before l began is what FP32 computed, at every level of nesting. Models may
write in place: an output that changed after its module returned is kept as a copy from its moment and handed back as a
fresh copy; a module that writes into its arguments does so again; outputs that are views of an argument stay views.

Only what a replay can hand back is held: a call that ended after the last layer within its parent began is either run
again, as the layer's own successor, or lies in what its parent hands back.
"""

from collections.abc import Callable

from torch import Tensor

from qdash.engine.tape.recording import CallRecording
from qdash.engine.tape.tape import Alias, Slot, Tape
from qdash.errors import ModelError
from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.trees import cloned, map_tensors, tensors


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
            recording = CallRecording(
                self._layers, self._fresh_slots, self._fresh_inputs, keep_inputs, self.draws, self.instrument
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
        if not slot.lends(self.stop):
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


def _fresh(recorded: Tensor, alias: Alias | None, given: list[Tensor]) -> Tensor:
    if alias is None:
        return recorded.clone()
    argument = given[alias.argument]
    return argument if alias.same_object else argument.as_strided(alias.shape, alias.stride, alias.offset)
