"""The bench that methods measure on: one batch, its recorded FP32 forward, and the replay of it."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from qdash.engine.item import Item
from qdash.engine.outputs import OutputReader
from qdash.engine.quantizers import Quantizers
from qdash.engine.reading import Reading
from qdash.engine.reference import Reference
from qdash.engine.tape.edges import EdgeCapture, differentiating
from qdash.engine.tape.replay import Recorder
from qdash.engine.tape.tape import Tape
from qdash.errors import QdashError
from qdash.instrument.calls import Instrument, Override
from qdash.tensors.samples import Batch

Kept = TypeVar("Kept")
_CHECKED_SHARE = 0.1
_NOTHING = Tape([], None, 0.0)
_NO_READING = Reading(torch.empty(0), None, torch.empty(0))


@dataclass(frozen=True)
class Recording:
    """What a bench does besides recording outputs.

    inputs: keep the FP32 inputs of all layers. gradients: keep the graph. paranoid: compare some replays with full
    forwards.
    """

    inputs: bool = False
    gradients: bool = False
    paranoid: bool = False


class Bench:
    """Holds one batch at a time; the quantizers outlive it.

    batch, tape (its recorded FP32 forward), fp32 (the outputs in it): of the current batch, once one is loaded.
    """

    batch: Batch

    def __init__(
        self,
        instrument: Instrument,
        quantizers: Quantizers,
        reader: OutputReader,
        recording: Recording = Recording(),
        seed: int = 0,
    ):
        self.instrument, self.quantizers, self.reader = instrument, quantizers, reader
        self.layers, self.kinds, self.settings = quantizers.layers, quantizers.kinds, quantizers.settings
        self.recorder = Recorder(instrument, frozenset(quantizers.modules))
        self.edges = EdgeCapture(quantizers.modules) if recording.gradients else None
        self.seed, self.batch_number = seed, 0
        self.checked = 0  # how many replays were compared with a full forward
        self._paranoid = recording.paranoid
        self._keep_inputs = frozenset(quantizers.modules if recording.inputs else ())
        self._kept: dict[type, Any] = {}
        self.tape, self.fp32 = _NOTHING, Reference(_NOTHING, _NO_READING)

    def load(self, batch: Batch, number: int = 0) -> None:
        """Records the FP32 forward of a batch.

        Layers called several times see a changed input from their second call on, so their FP32 inputs are kept.
        """
        self.unload()
        self.batch, self.batch_number = batch, number
        self.tape = self._recorded(batch)
        repeated = {site for layer in self.layers if len(self.calls(layer)) > 1 for site in self.sites(layer)}
        if not repeated <= self._keep_inputs:
            self._keep_inputs |= repeated
            self.load(batch, number)
            return
        self.fp32 = Reference(self.tape, self.reader.read(self.tape.output))

    def unload(self) -> None:
        """Forgets what was recorded, before what comes next needs the memory."""
        self.tape, self.fp32, self._kept = _NOTHING, Reference(_NOTHING, self.fp32.reading), {}
        if self.edges is not None:
            self.edges.clear()

    def twin(self, recording: Recording = Recording()) -> "Bench":
        """Another bench on the same model and quantizers, for another batch at the same time."""
        return Bench(self.instrument, self.quantizers, self.reader, recording, self.seed)

    def kept(self, kind: type[Kept]) -> Kept:
        """What is kept of the current batch under this type: empty when first asked for, gone with the batch."""
        if kind not in self._kept:
            self._kept[kind] = kind()
        found: Kept = self._kept[kind]
        return found

    @property
    def reference(self) -> Reading:
        """Of the model's FP32 output."""
        return self.fp32.reading

    @property
    def device(self) -> torch.device:
        """Where the model's output lies."""
        return self.reference.judged.device

    def differentiable_output(self) -> Reading:
        """Of the recorded forward's output, with its graph."""
        return self.reader.read(self.tape.output, detach=False)

    def sites(self, layer: str) -> tuple[str, ...]:
        """See `Quantizers.sites`."""
        return self.quantizers.sites(layer)

    def calls(self, layer: str) -> list[int]:
        """Slots of the layer's calls on the tape, in order, at all its sites."""
        return sorted(slot for site in self.sites(layer) for slot in self.tape.calls.get(site, ()))

    def first_called(self, layers: Iterable[str]) -> str:
        """Of some layers the one that this batch calls first, as batches may take different paths; "" for none."""
        called = {layer: calls[0] for layer in layers if (calls := self.calls(layer))}
        return min(called, key=called.__getitem__, default="")

    def replay(
        self, overrides: Mapping[str, Override], start: str, tape: Tape | None = None, detach: bool = True
    ) -> Reading:
        """The model's output with overrides from layer `start` on; what came before is replayed.

        tape: another than that of FP32. Raises ModelError where the model doesn't repeat its
        calls.
        """
        tape = tape or self.tape
        first = min((slots[0] for s in self.sites(start) if (slots := tape.calls.get(s))), default=len(tape.slots))
        with self.instrument.overriding(overrides):
            output = self.recorder.replay(tape, first, self.batch.args, self.batch.kwargs)
        return self.reader.read(output, detach)

    def run(self, overrides: Mapping[str, Override]) -> Reading:
        """The model's output with overrides, from the start."""
        with self.instrument.overriding(overrides):
            return self.reader.read(self.recorder.run(self.batch.args, self.batch.kwargs))

    def compared(self, output: Reading) -> dict[str, Tensor]:
        """Comparison of a model output, shaped like `reference`, with FP32: name → (samples,) float64."""
        return self.reader.compare(output, self.reference, self.batch.target)

    def check_replay(self, item: Item, replayed: Reading) -> None:
        """Where the bench is paranoid: runs a random tenth of the items in full and compares the bits.

        Raises QdashError where they differ, which would be a fault of the replay.
        """
        if not self._paranoid:
            return
        draw = random.Random(f"{self.seed} {self.batch_number} {item.layer} {item.setting.key}").random()
        if draw < _CHECKED_SHARE:
            full = self.run(self.quantizers.only(item))
            self.checked += 1
            if not torch.equal(full.judged.nan_to_num(), replayed.judged.nan_to_num()):
                raise QdashError(f"{item.layer}: the replayed output differs from that of a full forward; report this")

    def work_from(self, layer: str) -> float:
        """Multiply-accumulates of a replay that starts at a layer; 0 where the layer is not called."""
        calls = self.calls(layer)
        return self.tape.work_from(calls[0]) if calls else 0.0

    def work_inside(self, layer: str) -> float:
        """Multiply-accumulates of the layer's own calls."""
        return sum(self.tape.slots[slot].macs for slot in self.calls(layer))

    def _recorded(self, batch: Batch) -> Tape:
        if self.edges is None:
            return self.recorder.record(batch.args, batch.kwargs, self._keep_inputs)
        with differentiating(self.instrument), self.instrument.overriding(self.edges.overrides()):
            return self.recorder.record(batch.args, batch.kwargs, self._keep_inputs, starting=self.edges.clear)
