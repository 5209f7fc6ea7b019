"""Fine-tunes a whole mixed model and measures it beside the one that was only quantized."""

from collections.abc import Iterator, Sequence

from qdash.artifacts import usable
from qdash.engine.bench import Bench
from qdash.engine.item import Measured, Stopwatch
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.quantizers import together
from qdash.engine.trained import TrainedLayer, read_metadata
from qdash.instrument.calls import Override
from qdash.modes.qat import Qat
from qdash.records.names import among
from qdash.records.scores import Facts, Record, Score
from qdash.spec.layers import keep_key
from qdash.spec.mixed import QatSpec
from qdash.sweep.prepare.prepare import Prepared
from qdash.sweep.training.learners import PLAN, options_of, plan_training
from qdash.sweep.training.plan_weights import save_plan_weights
from qdash.sweep.training.training import Step, Training
from qdash.sweep.works.batched import BatchedWork
from qdash.sweep.works.sweep import baseline

PTQ, QAT = "ptq", "qat"  # the items, and the settings under which their scores are kept


class QatWork(BatchedWork[str]):
    """First the fine-tune, then two items a batch: the mixed model before and after it."""

    def __init__(self, spec: str, artifacts: str):
        self.spec = QatSpec.model_validate_json(spec)
        self._tuned: dict[str, Override] = {}
        self._told: set[int] = set()
        super().__init__(self.spec.sweep, [self.spec.setting], self.spec.sweep.layers, artifacts)

    def options(self) -> tuple[Qat | None, int | None]:
        options = options_of(self.spec.training)
        assert options is not None, "the spec has checked that its mode trains"
        return options, None if self.spec.epochs else options.steps * options.batch_size

    def training(self, prepared: Prepared) -> Training:
        self.spec.check_layers(prepared.bench.layers)
        options, training_set = self.options()[0], prepared.training_set
        assert options is not None
        assert training_set is not None
        steps = self.spec.epochs * training_set.batches_per_epoch if self.spec.epochs else options.steps
        return plan_training(prepared, self.spec.setting, self.spec.keep, options, steps)

    def learning(self, step: Step) -> Iterator[Record]:
        self._told.add(step.number)
        sums = {"loss": step.loss * step.samples, "samples": float(step.samples)}
        yield Score("training", "", self.spec.setting.key, step.number, sums)

    def learned(self, prepared: Prepared, training: Training) -> Iterator[Record]:
        layers, steps = training.learned(PLAN)
        self._tuned = together({name: self._quantizer(prepared.bench, name, found) for name, found in layers.items()})
        for step in steps:
            if step.number not in self._told:  # made by an earlier process or run
                yield from self.learning(step)
        path = training.path(PLAN).with_name(training.path(PLAN).name.replace("trained", "qat"))
        if not usable(lambda: read_metadata(path), prepared.workload.notes):
            save_plan_weights(path, prepared, self.spec, layers)
        yield Facts({"weights_file": path.name})

    def items(self, prepared: Prepared) -> Sequence[str]:
        return (PTQ, QAT)

    def opening(self, bench: Bench, batch: int) -> Iterator[tuple[Score, Measured]]:
        yield Score("baseline", "", "", batch), baseline(bench)

    def measure(self, bench: Bench, items: Sequence[str]) -> Iterator[Measured]:
        for item in items:
            overrides = self._tuned if item == QAT else bench.quantizers.all_but(self._keep, self.spec.setting)
            with Stopwatch() as watch:
                found = bench.compared(bench.replay(overrides, self._first(bench)))
            yield Measured({}, found, watch.seconds)

    def score(self, item: str, batch: int) -> Score:
        return Score("measurement", keep_key(self.spec.keep), item, batch)

    def planned(self, bench: Bench, items: Sequence[str]) -> tuple[float, list[float]]:
        return bench.tape.macs, [bench.work_from(self._first(bench))] * len(items)

    @property
    def _keep(self) -> frozenset[str]:
        return frozenset(self.spec.keep)

    def _first(self, bench: Bench) -> str:
        return bench.first_called(layer for layer in bench.layers if not among(layer, self._keep))

    def _quantizer(self, bench: Bench, name: str, trained: TrainedLayer) -> LayerQuantizer:
        return LayerQuantizer(bench.quantizers.site(name), self.spec.setting, trained)
