"""A work that streams: batches are the outer loop, items the inner one; it stops and goes on between items."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from qdash.engine.bench import Bench, Recording
from qdash.engine.item import Measured
from qdash.instrument.random_state import seed_everything
from qdash.modes.qat import Qat
from qdash.records.facts import as_stored
from qdash.records.scores import Facts, Progress, Record, Score
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source
from qdash.sweep.prepare.facts import facts_of, notes_of
from qdash.sweep.prepare.judged import output_facts
from qdash.sweep.prepare.prepare import Prepared, ensure_calibrated, prepare
from qdash.sweep.prepare.training_set import training_set
from qdash.sweep.training.learners import layers_trained, layers_training, options_of
from qdash.sweep.training.training import Step, Training
from qdash.sweep.works.cost import CostMeter
from qdash.sweep.works.flush import fetched
from qdash.sweep.works.position import START, Position
from qdash.sweep.works.schedule import Schedule, Slice
from qdash.tensors.heap import give_back, reused

I = TypeVar("I")  # noqa: E741


class _Stopped(Exception):
    """Raised inside calibration to leave it."""


class BatchedWork(Generic[I]):
    """Subclasses say what the items are, how they are measured and under which names their scores are kept.

    Whatever a new process lacks (model, calibration, recorded batch) is made again.
    """

    recording = Recording()

    def __init__(self, source: Source, settings: Sequence[Setting], layers: str, artifacts: str):
        self.source, self.settings, self._layers = source, settings, layers
        self._artifacts = Path(artifacts)
        self._stack = ExitStack()
        self._prepared: Prepared | None = None
        self._loaded: int | None = None
        self._training: Training | None = None
        self._has_learned = False
        self._spending = CostMeter()
        self._said: tuple[str, ...] = ()

    @abstractmethod
    def items(self, prepared: Prepared) -> Sequence[I]:
        """In order; the same in every process."""

    @abstractmethod
    def opening(self, bench: Bench, batch: int) -> Iterator[tuple[Score, Measured]]:
        """What is measured once per batch, before the items."""

    @abstractmethod
    def measure(self, bench: Bench, items: Sequence[I]) -> Iterator[Measured]:
        """One Measured per item."""

    @abstractmethod
    def score(self, item: I, batch: int) -> Score:
        """The empty score under whose key an item's result is kept."""

    @abstractmethod
    def planned(self, bench: Bench, items: Sequence[I]) -> tuple[float, list[float]]:
        """Multiply-accumulates on the current batch: of the opening, and of each item."""

    def training(self, prepared: Prepared) -> Training | None:
        """What has to be learned before anything is measured: every layer alone where the mode trains."""
        return layers_training(prepared, self.settings)

    def learning(self, step: Step) -> Iterator[Record]:
        """What is told of a step of training."""
        return iter(())

    def learned(self, prepared: Prepared, training: Training) -> Iterator[Record]:
        """Takes over what was learned; called once in every process."""
        prepared.bench.quantizers.use_trained(layers_trained(prepared, self.settings, training))
        return iter(())

    def options(self) -> tuple[Qat | None, int | None]:
        """How to train, None where nothing is, and how many training samples serve at most."""
        options = options_of(self.settings[0].mode)
        return options, None if options is None else options.steps * options.batch_size

    def state(self) -> str:
        """What a new process has to know besides the position, as text without `|`."""
        return ""

    def restore(self, state: str, prepared: Prepared) -> None:
        """Goes on from what `state` gave; "" at the start of a run."""

    def seen(self, prepared: Prepared, scores: Sequence[Score], finished: int | None) -> None:
        """Called with every slice's scores; `finished`: the number of the batch if all its items are done."""

    def batch_size(self, prepared: Prepared) -> int:
        """Samples per batch."""
        return self.source.batch_size

    def close(self) -> None:
        """Leaves the model as it was."""
        self._stack.close()

    def advance(self, position: str | None, should_stop: Callable[[], bool]) -> Iterator[Record]:
        """See `executors.base.Work`."""
        fresh = self._prepared is None
        if fresh:
            self._prepared = self._prepare()
            self._said = notes_of(self._prepared)
            yield Facts(as_stored(facts_of(self._prepared)))
            self._prepared.bench.unload()
        prepared = self._prepared
        assert prepared is not None
        uncalibrated = prepared.bench.quantizers.calibration is None
        try:
            ensure_calibrated(prepared, self.source, lambda: _leave_if(should_stop()))
        except _Stopped:
            yield self._progress(prepared, START, 0.0)
            return
        if uncalibrated and len(prepared.outputs) > 1:  # now it is known what each output weighs
            outputs = output_facts(prepared.outputs, prepared.bench.reader)
            yield Facts({"outputs": [asdict(found) for found in outputs]})
        yield from self._news(prepared)
        if prepared.training_set is not None and not self._has_learned:
            yield from self._learn(prepared, should_stop)
            yield from self._news(prepared)
            if not self._has_learned:
                yield self._trained_so_far(prepared, position or START)
                return
        place = Position.parse(position)
        self.restore(place.state, prepared)
        items = self.items(prepared)
        if fresh and place.is_first:
            yield self._progress(prepared, START, 0.0)
        yield from self._measured(prepared, place, items, should_stop)

    def _news(self, prepared: Prepared) -> Iterator[Record]:
        """The notes again where some came after the first facts: a damaged artifact that was made again."""
        if notes_of(prepared) != self._said:
            self._said = notes_of(prepared)
            yield Facts({"notes": self._said})

    def _measured(
        self, prepared: Prepared, place: Position, items: Sequence[I], should_stop: Callable[[], bool]
    ) -> Iterator[Record]:
        """A slice: scores, and where to go on."""
        now, batch, done = Slice(should_stop, first=place.is_first), place.batch, place.item
        self._load(prepared, batch)
        pending = list(self.opening(prepared.bench, batch)) if done == 0 else []
        rest = items[done:]
        for item, measured in zip(rest, self.measure(prepared.bench, rest), strict=False):
            pending.append((self.score(item, batch), measured))
            done += 1
            if now.over:
                break
        scores = list(fetched(pending))
        yield from scores
        self.seen(prepared, scores, batch if done == len(items) else None)
        yield self._next(prepared, batch, done, items)

    def _prepare(self) -> Prepared:
        self._stack.enter_context(reused())
        prepared = prepare(self._stack, self.source, self.settings, self._layers, self._artifacts, self.recording)
        options, wanted = self.options()
        if options is not None:
            prepared.training_set = training_set(prepared.workload, self.source, options.batch_size, wanted)
        return prepared

    def _load(self, prepared: Prepared, batch: int) -> None:
        if self._loaded == batch:
            return
        workload, indices = prepared.workload, self._groups(prepared)[batch]
        seed_everything(self.source.seed + batch)
        prepared.bench.load(workload.evaluation.batch(indices.tolist()).to(workload.device), batch)
        give_back()  # what came and went between the outputs that are kept
        self._loaded = batch

    def _groups(self, prepared: Prepared) -> list[np.ndarray]:
        workload = prepared.workload
        return workload.evaluation.groups(workload.evaluation_indices, self.batch_size(prepared))

    def _next(self, prepared: Prepared, batch: int, done: int, items: Sequence[I]) -> Progress:
        schedule = Schedule([len(group) for group in self._groups(prepared)])
        following = schedule.following(batch, done, len(items))
        if done == len(items) and not self.items(prepared):  # all are decided
            following = None
        finished, total = schedule.work(batch, done, *self.planned(prepared.bench, items))
        if following is None:
            return self._progress(prepared, None, finished, finished)
        return self._progress(prepared, str(replace(following, state=self.state())), finished, total)

    def _progress(self, prepared: Prepared, position: str | None, done: float, total: float | None = None) -> Progress:
        if total is None:  # before the first item: one is as good as another
            total = prepared.macs_per_sample * len(prepared.workload.evaluation_indices)
        spent = self._spending.since_last(prepared.instrument.executed_macs)
        before = self._training.total if self._training is not None else 0.0
        return Progress(position, before + done, before + total, spent=spent)

    def _learn(self, prepared: Prepared, should_stop: Callable[[], bool]) -> Iterator[Record]:
        if self._training is None:
            prepared.bench.load(prepared.first)  # the work is planned by it
            self._training = self.training(prepared)
            assert self._training is not None, "there is a training set, so there is something to learn"
            yield Facts({"training": asdict(self._training.facts()), "trained_files": self._training.files})
        training = self._training
        if not training.finished:
            for step in training.advance(should_stop):
                yield from self.learning(step)
        else:
            yield from self.learned(prepared, training)
            self._has_learned = True

    def _trained_so_far(self, prepared: Prepared, position: str) -> Progress:
        training, whole = self._training, self._progress(prepared, position, 0.0)
        assert training is not None
        return replace(whole, done=training.done, message=f"training step {training.step} of {training.steps}")


def _leave_if(stop: bool) -> None:
    if stop:
        raise _Stopped
