"""What a recorded forward leaves: its calls, in order, each with its output."""

from dataclasses import dataclass, field

from torch import Tensor

from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Call


@dataclass
class Slot:
    """One call: output as it was on return, the slots it spans, and what it did besides."""

    name: str
    end: int
    output: object
    kept: bool = True  # whether the output is still there to be handed back
    again: bool = False  # it changes state that later calls may read: it runs again whatever is handed back
    macs: float = 0.0  # executed within, nested calls included
    inputs: Call = ((), {})  # as it was given, where it is kept
    fresh: bool = False  # the output is written to later: hand back copies
    aliases: list["Alias | None"] = field(default_factory=list)  # per output tensor, if fresh
    writes: list[tuple[int, Tensor]] = field(default_factory=list)  # argument tensor → content after the call
    random_before: RandomState | None = None  # where it keeps its inputs and the model draws numbers
    random_after: RandomState | None = None  # where the call drew numbers

    def lends(self, stop: int) -> bool:
        """Whether a replay up to slot `stop` hands its output back."""
        return self.kept and not self.again and self.end <= stop


@dataclass(frozen=True)
class Alias:
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
            handed_back = slot.lends(stop)
            skipped += slot.macs if handed_back else 0.0
            position = slot.end if handed_back else position + 1
        return self.macs - skipped
