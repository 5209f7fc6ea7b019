"""The bench that methods measure on: one batch, its recorded FP32 forward, and every layer ready to be quantized."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from qdash.calibration.summaries import StoredCalibration
from qdash.engine.outputs import OutputReader
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.tape.edges import EdgeCapture, differentiating
from qdash.engine.tape.replay import Recorder, Tape
from qdash.engine.trained import Trained
from qdash.errors import ModelError, QdashError
from qdash.instrument.calls import Instrument, Override
from qdash.layers.base import LayerKind
from qdash.quant.statistics import Statistics
from qdash.spec import Setting
from qdash.tensors.energy import energy
from qdash.tensors.samples import Batch
from qdash.tensors.trees import first_float

_CHECKED_SHARE = 0.1


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
        calibration: StoredCalibration | None,
        keep_inputs: bool = False,
        tied: Mapping[str, Mapping[str, LayerKind]] | None = None,
        records_gradients: bool = False,
        paranoid: bool = False,
        seed: int = 0,
    ):
        self.instrument, self.layers, self.settings = instrument, layers, settings
        self.tied = tied or {}
        self.kinds = dict(layers) | {name: kind for others in self.tied.values() for name, kind in others.items()}
        self.reader = reader
        self.recorder = Recorder(instrument, frozenset(self.kinds))
        self.calibration = calibration
        self._trained: Trained = {}
        self._quantizers: dict[tuple[str, str], LayerQuantizer] = {}
        self.keep_inputs = frozenset(self.kinds if keep_inputs else ())
        self.edges = EdgeCapture(list(self.kinds)) if records_gradients else None
        self.memo: dict[str, Any] = {}  # what a method keeps of the current batch
        self.seed, self.batch_number, self.paranoid = seed, 0, paranoid
        self.checked = 0  # how many replays were compared with a full forward
        self.batch: Batch
        self.tape: Tape
        self.reference: Tensor
        self._references: dict[str, list[Tensor]] = {}
        self._energies: dict[str, Tensor] = {}
        self._quantized_tapes: dict[str, Tape] = {}

    def load(self, batch: Batch, number: int = 0) -> None:
        """Records the FP32 forward of a batch.

        Layers called several times see a changed input from their second call on, so their FP32 inputs are kept.
        """
        self.unload()
        self.batch, self.batch_number = batch, number
        self.tape = self._recorded(batch)
        repeated = {name for layer in self.layers if len(self.calls(layer)) > 1 for name in self.sites(layer)}
        if not repeated <= self.keep_inputs:
            self.keep_inputs |= repeated
            self.load(batch, number)
            return
        self.reference = self.reader.read(self.tape.output)

    def unload(self) -> None:
        """Forgets what was recorded, before what comes next needs the memory."""
        self.tape = Tape([], None, 0.0)
        self._references, self._energies, self._quantized_tapes, self.memo = {}, {}, {}, {}
        if self.edges is not None:
            self.edges.clear()

    def differentiable_output(self) -> Tensor:
        """The model's output of the recorded forward, with its graph."""
        return self.reader.read(self.tape.output, detach=False)

    def sites(self, layer: str) -> tuple[str, ...]:
        """The modules of a layer: itself, and those that share its weights, which are quantized with it."""
        return (layer, *self.tied.get(layer, ()))

    def calls(self, layer: str) -> list[int]:
        """Slots of the layer's calls on the tape, in order, at all its sites."""
        return sorted(slot for site in self.sites(layer) for slot in self.tape.calls.get(site, ()))

    def first_called(self, layers: Iterable[str]) -> str:
        """Of some layers the one that this batch calls first, as batches may take different paths; "" for none."""
        called = {layer: calls[0] for layer in layers if (calls := self.calls(layer))}
        return min(called, key=called.__getitem__, default="")

    def quantizer(self, site: str, setting: Setting) -> LayerQuantizer:
        """A layer's module under a setting; its ranges and weights are computed once."""
        key = site, setting.key
        if key not in self._quantizers:
            module, kind = self.instrument.modules[site], self.kinds[site]
            trained = self._trained.get(key)
            self._quantizers[key] = LayerQuantizer(site, module, kind, setting, self.statistics_of(site), trained)
        return self._quantizers[key]

    def use_trained(self, trained: Trained) -> None:
        """From now on these layers are quantized with what fine-tuning made of them."""
        self._trained, self._quantizers = trained, {}

    def twin(self, **recording: bool) -> "Bench":
        """Another bench on the same model, for another batch at the same time; quantizers known by now are shared."""
        twin = Bench(
            self.instrument,
            self.layers,
            self.settings,
            self.reader,
            self.calibration,
            tied=self.tied,
            seed=self.seed,
            **recording,
        )
        twin._trained, twin._quantizers = self._trained, self._quantizers
        return twin

    def quantizers(self, layer: str, setting: Setting) -> dict[str, LayerQuantizer]:
        """Of every site of a layer."""
        return {site: self.quantizer(site, setting) for site in self.sites(layer)}

    def quantized(self, setting: Setting, keep: frozenset[str] = frozenset()) -> dict[str, Override]:
        """Overrides that quantize every layer but those kept in FP32."""
        chosen = (layer for layer in self.layers if layer not in keep)
        return {site: q.run for layer in chosen for site, q in self.quantizers(layer, setting).items()}

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
        first = min((slots[0] for s in self.sites(start) if (slots := tape.calls.get(s))), default=len(tape.slots))
        with self.instrument.overriding(overrides):
            output = self.recorder.replay(tape, first, self.batch.args, self.batch.kwargs)
        return self.reader.read(output, detach)

    def run(self, overrides: dict[str, Override]) -> Tensor:
        """The model's output with overrides, from the start."""
        with self.instrument.overriding(overrides):
            return self.reader.read(self.recorder.run(self.batch.args, self.batch.kwargs))

    def check_replay(self, item: Item, replayed: Tensor) -> None:
        """Where the bench is paranoid: runs a random tenth of the items in full and compares the bits.

        Raises QdashError where they differ, which would be a fault of the replay.
        """
        if not self.paranoid:
            return
        draw = random.Random(f"{self.seed} {self.batch_number} {item.layer} {item.setting.key}").random()
        if draw < _CHECKED_SHARE:
            full = self.run({site: q.run for site, q in self.quantizers(item.layer, item.setting).items()})
            self.checked += 1
            if not torch.equal(full.nan_to_num(), replayed.nan_to_num()):
                raise QdashError(f"{item.layer}: the replayed output differs from that of a full forward; report this")

    def references(self, site: str) -> list[Tensor]:
        """FP32 outputs of a layer's module, one per call."""
        if site not in self._references:
            outputs = [first_float(self.tape.slots[p].output) for p in self.tape.calls.get(site, ())]
            self._references[site] = [t for t in outputs if t is not None]
        return self._references[site]

    def reference_energies(self, site: str) -> Tensor:
        """Σ x² of each of these outputs, (calls,) float64; the same for all settings."""
        if site not in self._energies:
            outputs = self.references(site)
            found = torch.empty(len(outputs), dtype=torch.float64, device=self.reference.device)
            with torch.no_grad():
                for call, output in enumerate(outputs):
                    found[call] = energy(output)
            self._energies[site] = found
        return self._energies[site]

    def work_from(self, layer: str) -> float:
        """Multiply-accumulates of a replay that starts at a layer; 0 where the layer is not called."""
        calls = self.calls(layer)
        return self.tape.work_from(calls[0]) if calls else 0.0

    def work_inside(self, layer: str) -> float:
        """Multiply-accumulates of the layer's own calls."""
        return sum(self.tape.slots[p].macs for p in self.calls(layer))

    def compared(self, output: Tensor) -> dict[str, Tensor]:
        """Per-sample comparison of a model output with FP32."""
        return self.reader.compare(output, self.reference, self.batch.target)

    def _recorded(self, batch: Batch) -> Tape:
        if self.edges is None:
            return self.recorder.record(batch.args, batch.kwargs, self.keep_inputs)
        with differentiating(self.instrument), self.instrument.overriding(self.edges.overrides()):
            return self.recorder.record(batch.args, batch.kwargs, self.keep_inputs, starting=self.edges.clear)

    def weight_sums(self, item: Item) -> dict[str, Tensor]:
        """`weight_signal`, `weight_noise`: the same in every batch; a shared weight counts once."""
        seen: set[int] = set()
        found = [q.weight_energies(seen) for q in self.quantizers(item.layer, item.setting).values()]
        signals, lost = zip(*found, strict=True)
        return {"weight_signal": sum(signals), "weight_noise": sum(lost)} if seen else {}

    def statistics_of(self, site: str) -> Callable[[str], Statistics]:
        """Name of an input of a layer's module → its statistics in the calibration pass.

        What it returns holds no bench, which quantizers that outlive one would keep alive with all it recorded.
        """
        return partial(_statistics, self.calibration, site)


def _statistics(calibration: StoredCalibration | None, site: str, name: str) -> Statistics:
    """Raises ModelError where the input was never seen."""
    assert calibration is not None, "a setting with calibrated ranges needs a calibration"
    summary = calibration.layers[site].inputs[name]
    if not len(summary.batch_minimum):
        raise ModelError(
            f"{site}: it was not called during calibration, so its {name} has no range; give calibration samples "
            "that reach it, use --mode dynamic, or leave it out with --layers"
        )
    return summary.statistics()


class Stopwatch:
    """Wall seconds of a block."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        self.seconds = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
