"""The sweep: every layer under every setting, one batch after the other."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qdash.engine.bench import Bench, Recording
from qdash.engine.item import Item, Measured
from qdash.engine.local_errors import output_tensor
from qdash.instrument.calls import Override
from qdash.records.scores import Score
from qdash.registry import family
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec
from qdash.stats.sequential import Looks
from qdash.sweep.prepare.prepare import Prepared
from qdash.sweep.works.batched import BatchedWork
from qdash.sweep.works.equal_settings import distinct, measured_once, of_model
from qdash.sweep.works.flush import count
from qdash.sweep.works.prescreen import suspicious_first
from qdash.sweep.works.race import Race
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.energy import noise
from qdash.tensors.heap import give_back

# Samples in a batch whose graph and gradients are kept, between these, so that its input holds so many values.
_GRADIENT_BATCH, _GRADIENT_VALUES = (8, 32), 1 << 20


class SweepWork(BatchedWork[Item]):
    """Baseline, all-quantized model with cumulative errors, then the method's items."""

    def __init__(self, spec: str, artifacts: str):
        self.spec = SweepSpec.model_validate_json(spec)
        self._method = family("methods").create(self.spec.method)
        method = self._method
        self.recording = Recording(method.keeps_inputs, method.records_gradients, self.spec.paranoid)
        self._race: Race | None = None
        self._items: list[Item] | None = None
        super().__init__(self.spec, self.spec.settings(), self.spec.layers, artifacts)

    def batch_size(self, prepared: Prepared) -> int:
        """Smaller where the graph and the gradients of a batch are kept: they are what needs the memory."""
        if not self._method.records_gradients:
            return self.spec.batch_size
        fewest, most = _GRADIENT_BATCH
        return min(
            self.spec.batch_size, most, max(fewest, _GRADIENT_VALUES // max(1, prepared.first.values_per_sample))
        )

    def items(self, prepared: Prepared) -> Sequence[Item]:
        if self._items is None:
            items = [Item(layer, setting) for layer in prepared.bench.layers for setting in self.settings]
            _make_ready(prepared.bench, items)
            exact = self._method.measures_output and not self._method.estimates
            self._items = suspicious_first(prepared, items) if exact else items
            give_back()
        items = self._items
        return items if self._race is None else [i for i in items if self._race.runs(i.layer, i.setting.key)]

    def state(self) -> str:
        return "" if self._race is None else self._race.dump()

    def restore(self, state: str, prepared: Prepared) -> None:
        if self.spec.until_decided:
            total = len(prepared.workload.evaluation_indices)
            self._race = Race(Looks(total, self.spec.batch_size, self.spec.tolerance / 100), state)

    def seen(self, prepared: Prepared, scores: Sequence[Score], finished: int | None) -> None:
        if self._race is not None:
            baseline = prepared.bench.reader.baseline(prepared.bench.reference, prepared.bench.batch.target)
            self._race.add(scores, baseline["outcome"].cpu().numpy())
            if finished is not None:
                self._race.look()

    def opening(self, bench: Bench, batch: int) -> Iterator[tuple[Score, Measured]]:
        yield Score("baseline", "", "", batch), baseline(bench)
        if self._method.measures_output:
            yield from self._all_quantized(bench, batch)

    def _all_quantized(self, bench: Bench, batch: int) -> Iterator[tuple[Score, Measured]]:
        done: dict[Hashable, list[tuple[Score, Measured]]] = {}
        for setting in self.settings:
            same = of_model(bench, setting)
            if same not in done:
                done[same] = list(all_quantized(bench, setting, batch))
            yield from ((replace(score, setting=setting.key), measured) for score, measured in done[same])

    def measure(self, bench: Bench, items: Sequence[Item]) -> Iterator[Measured]:
        return measured_once(self._method, bench, items)

    def score(self, item: Item, batch: int) -> Score:
        return Score("layer", item.layer, item.setting.key, batch)

    def planned(self, bench: Bench, items: Sequence[Item]) -> tuple[float, list[float]]:
        whole = {of_model(bench, setting) for setting in self.settings} if self._method.measures_output else ()
        passes = 1 + len(whole)
        by_layer = {layer: self._method.work(bench, layer) for layer in bench.layers}
        first = distinct(self._method, bench, items)
        work = [by_layer[item.layer] if first[item] is item else 0.0 for item in items]
        return passes * bench.tape.macs + self._method.opening_work(bench), work


def _make_ready(bench: Bench, items: Sequence[Item]) -> None:
    """What stays in memory is made before what comes and goes, which would be scattered around it."""
    for item in items:
        for quantizer in bench.quantizers.of(item).values():
            quantizer.make_ready()
    assert bench.quantizers.calibration is not None, "the calibration comes first"
    bench.quantizers.calibration.release()
    give_back()


def baseline(bench: Bench) -> Measured:
    """FP32 on the current batch: outcomes and output energies."""
    samples = bench.reader.baseline(bench.reference, bench.batch.target)
    return Measured({"count": count(bench.reference.judged)}, samples)


def all_quantized(bench: Bench, setting: Setting, batch: int) -> Iterator[tuple[Score, Measured]]:
    """The all-quantized model on the current batch, and its error at every layer's output."""
    # One tensor for all: many small ones made on the way would leave holes in the heap that no activation fits.
    sums = torch.zeros(len(bench.layers), 2, dtype=torch.float64, device=bench.device)
    rows: dict[str, list[Tensor]] = {}
    for i, layer in enumerate(bench.layers):
        for site in bench.sites(layer):
            rows.setdefault(site, []).append(sums[i])
    compared: set[str] = set()
    quantized = bench.quantizers.all_but(frozenset(), setting)
    overrides = {site: _comparing(bench, site, run, rows[site], compared) for site, run in quantized.items()}
    yield Score("all_quantized", "", setting.key, batch), Measured({}, bench.compared(bench.run(overrides)))
    for layer, (signal, lost) in zip(bench.layers, sums, strict=True):
        if compared.intersection(bench.sites(layer)):
            yield Score("cumulative", layer, setting.key, batch), Measured({"signal": signal, "noise": lost})


def _comparing(bench: Bench, site: str, run: Override, rows: Sequence[Tensor], compared: set[str]) -> Override:
    """Runs the module and adds to `rows`, (2,) each, the energies of its FP32 output and of its error."""
    expected = zip(bench.fp32.outputs(site), bench.fp32.energies(site), strict=True)

    def override(forward: Forward, args: Args, kwargs: Kwargs) -> object:
        output = run(forward, args, kwargs)
        known, got = next(expected, None), output_tensor(output)
        if known is not None and known[0].shape == got.shape:
            compared.add(site)
            lost = noise(known[0], got)
            for row in rows:
                row[0] += known[1]
                row[1] += lost
        return output

    return override
