"""Measures mixed models: given layers stay in FP32, all others are quantized together."""

from collections.abc import Iterator, Sequence

from qdash.engine.bench import Bench
from qdash.engine.item import Measured, Stopwatch
from qdash.records.names import among
from qdash.records.scores import Score
from qdash.spec.layers import keep_key
from qdash.spec.mixed import MeasureSpec
from qdash.sweep.prepare.prepare import Prepared
from qdash.sweep.works.batched import BatchedWork
from qdash.sweep.works.sweep import baseline

KeepSet = tuple[str, ...]


class MeasureWork(BatchedWork[KeepSet]):
    """One item per set of FP32 layers; what comes before the first quantized layer is replayed."""

    def __init__(self, spec: str, artifacts: str):
        self.spec = MeasureSpec.model_validate_json(spec)
        super().__init__(self.spec.sweep, [self.spec.setting], self.spec.sweep.layers, artifacts)

    def items(self, prepared: Prepared) -> Sequence[KeepSet]:
        self.spec.check_layers(prepared.bench.layers)
        return self.spec.keep_sets

    def opening(self, bench: Bench, batch: int) -> Iterator[tuple[Score, Measured]]:
        yield Score("baseline", "", "", batch), baseline(bench)

    def measure(self, bench: Bench, items: Sequence[KeepSet]) -> Iterator[Measured]:
        for keep in items:
            with Stopwatch() as watch:
                quantized = bench.quantizers.all_but(frozenset(keep), self.spec.setting)
                found = bench.compared(bench.replay(quantized, self._first(bench, keep)))
            yield Measured({}, found, watch.seconds)

    def score(self, item: KeepSet, batch: int) -> Score:
        return Score("measurement", keep_key(item), self.spec.setting.key, batch)

    def planned(self, bench: Bench, items: Sequence[KeepSet]) -> tuple[float, list[float]]:
        return bench.tape.macs, [bench.work_from(self._first(bench, keep)) for keep in items]

    @staticmethod
    def _first(bench: Bench, keep: KeepSet) -> str:
        return bench.first_called(layer for layer in bench.layers if not among(layer, keep))
