"""The bench that methods measure on: one batch, its recorded FP32 forward, and every layer ready to be quantized."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from qdash.calibration import Calibration
from qdash.gradients import EdgeCapture, differentiating
from qdash.instrument import Instrument, Override
from qdash.layers.base import LayerKind
from qdash.outputs import OutputReader
from qdash.quantizer import LayerQuantizer
from qdash.replay import Recorder, Tape
from qdash.samples import Batch
from qdash.spec import Setting
from qdash.trained import Trained
from qdash.trees import first_float


@dataclass(frozen=True)
class Item:
    """One layer under one setting."""

    layer: str
    setting: Setting


@dataclass
class Measured:
    """What one item gave on one batch, still on the device: float64 scalars and per-sample vectors."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    samples: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


class Bench:
    """Holds one batch at a time; quantizers live as long as the bench."""

    def __init__(
        self,
        instrument: Instrument,
        layers: Mapping[str, LayerKind],
        settings: Sequence[Setting],
        reader: OutputReader,
        calibration: Calibration | None,
        keep_inputs: bool = False,
        records_gradients: bool = False,
        seed: int = 0,
    ):
        self.instrument, self.layers, self.settings = instrument, layers, settings
        self.reader = reader
        self.recorder = Recorder(instrument)
        self.calibration = calibration
        self._trained: Trained = {}
        self._quantizers: dict[tuple[str, str], LayerQuantizer] = {}
        self.keep_inputs = frozenset(layers if keep_inputs else ())
        self.edges = EdgeCapture(list(layers)) if records_gradients else None
        self.memo: dict[str, Any] = {}  # what a method keeps of the current batch
        self.seed, self.batch_number = seed, 0
        self.batch: Batch
        self.tape: Tape
        self.reference: Tensor
        self._references: dict[str, list[Tensor]] = {}
        self._quantized_tapes: dict[str, Tape] = {}

    def load(self, batch: Batch, number: int = 0) -> None:
        """Records the FP32 forward of a batch.

        Layers called several times see a changed input from their second call on, so their FP32 inputs are kept.
        """
        self.batch, self.batch_number = batch, number
        self.tape = self._recorded(batch)
        repeated = {name for name in self.layers if len(self.tape.calls.get(name, ())) > 1}
        if not repeated <= self.keep_inputs:
            self.keep_inputs |= repeated
            self.load(batch, number)
            return
        self.reference = self.reader.read(self.tape.output)
        self._references, self._quantized_tapes, self.memo = {}, {}, {}

    def differentiable_output(self) -> Tensor:
        """The model's output of the recorded forward, with its graph."""
        return self.reader.read(self.tape.output, detach=False)

    def quantizer(self, layer: str, setting: Setting) -> LayerQuantizer:
        """The layer under a setting; its ranges and weights are computed once."""
        key = layer, setting.key
        if key not in self._quantizers:
            module, kind = self.instrument.modules[layer], self.layers[layer]
            statistics, trained = lambda: self.statistics(layer), self._trained.get(key)
            self._quantizers[key] = LayerQuantizer(layer, module, kind, setting, statistics, trained)
        return self._quantizers[key]

    def use_trained(self, trained: Trained) -> None:
        """From now on these layers are quantized with what fine-tuning made of them."""
        self._trained, self._quantizers = trained, {}

    def quantized(self, setting: Setting, keep: frozenset[str] = frozenset()) -> dict[str, Override]:
        """Overrides that quantize every layer but those kept in FP32."""
        return {name: self.quantizer(name, setting).run for name in self.layers if name not in keep}

    def quantized_tape(self, setting: Setting) -> Tape:
        """The recorded forward of the all-quantized model on this batch."""
        if setting.key not in self._quantized_tapes:
            with self.instrument.overriding(self.quantized(setting)):
                self._quantized_tapes = {setting.key: self.recorder.record(self.batch.args, self.batch.kwargs)}
        return self._quantized_tapes[setting.key]

    def replay(
        self, overrides: dict[str, Override], start: str, tape: Tape | None = None, detach: bool = True
    ) -> Tensor:
        """The model's output with overrides from layer `start` on; what came before is replayed."""
        tape = tape or self.tape
        first = tape.calls[start][0] if start in tape.calls else len(tape.slots)
        with self.instrument.overriding(overrides):
            output = self.recorder.replay(tape, first, self.batch.args, self.batch.kwargs)
        return self.reader.read(output, detach)

    def run(self, overrides: dict[str, Override]) -> Tensor:
        """The model's output with overrides, from the start."""
        with self.instrument.overriding(overrides):
            return self.reader.read(self.recorder.run(self.batch.args, self.batch.kwargs))

    def references(self, layer: str) -> list[Tensor]:
        """FP32 outputs of a layer, one per call."""
        if layer not in self._references:
            outputs = [first_float(self.tape.slots[p].output) for p in self.tape.calls.get(layer, ())]
            self._references[layer] = [t for t in outputs if t is not None]
        return self._references[layer]

    def work_from(self, layer: str) -> float:
        """Multiply-accumulates of a replay that starts at a layer; 0 where the layer is not called."""
        calls = self.tape.calls.get(layer)
        return self.tape.work_from(calls[0]) if calls else 0.0

    def work_inside(self, layer: str) -> float:
        """Multiply-accumulates of the layer's own calls."""
        return sum(self.tape.slots[p].macs for p in self.tape.calls.get(layer, ()))

    def compared(self, output: Tensor) -> dict[str, Tensor]:
        """Per-sample comparison of a model output with FP32."""
        return self.reader.compare(output, self.reference, self.batch.target)

    def _recorded(self, batch: Batch) -> Tape:
        if self.edges is None:
            return self.recorder.record(batch.args, batch.kwargs, self.keep_inputs)
        with differentiating(self.instrument), self.instrument.overriding(self.edges.overrides()):
            return self.recorder.record(batch.args, batch.kwargs, self.keep_inputs, starting=self.edges.clear)

    def statistics(self, layer: str) -> Any:
        """Of the layer's input in the calibration pass."""
        assert self.calibration is not None, "a setting with calibrated ranges needs a calibration"
        return self.calibration.layers[layer].input.statistics()


def weight_sums(quantizer: LayerQuantizer) -> dict[str, Tensor]:
    """`weight_signal`, `weight_noise`: the same in every batch."""
    signal, lost = quantizer.weight_energies()
    return {"weight_signal": signal, "weight_noise": lost}


class Stopwatch:
    """Wall seconds of a block."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        self.seconds = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
