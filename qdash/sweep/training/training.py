"""Fine-tuning on the way of a work: training batches are the outer loop, learners the inner one; it stops and goes on
between two learners, and what was learned is kept in files that later runs share."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from qdash.artifacts import reading, usable
from qdash.engine.bench import Bench
from qdash.engine.learning.learner import Learner
from qdash.engine.learning.losses import loss_of
from qdash.engine.trained import TrainedLayer, load_tensors, load_trained, read_metadata, save_tensors, save_trained
from qdash.instrument.random_state import seed_everything
from qdash.modes.qat import Qat
from qdash.records.facts import TrainingFacts
from qdash.sweep.prepare.prepare import Prepared
from qdash.sweep.prepare.training_set import TrainingSet
from qdash.sweep.works.schedule import SLICE_SECONDS

_VERSION = 1
_CHECKPOINT_SHARE = 0.02  # of the time may go into writing checkpoints, those at a stop aside


@dataclass(frozen=True)
class Step:
    """One step of one learner: the mean loss over its samples, before it learned from them."""

    learner: str
    number: int
    loss: float
    samples: int


class Training:
    """Learners by name, and a file for what each has learned; learners whose file is there aren't made.

    All see the same batches, and one recorded FP32 forward a batch serves all of them. Raises DataError where the loss
    needs labels that aren't there.
    """

    def __init__(
        self, prepared: Prepared, options: Qat, steps: int, makers: Mapping[str, Callable[[], Learner]], key: str = ""
    ):
        assert prepared.training_set is not None, "a work that trains has a training set"
        self.samples: TrainingSet = prepared.training_set
        self._options, self.steps, self._device = options, steps, prepared.workload.device
        self._artifacts, self._key = prepared.calibration_path.parent, _key(prepared, options, steps, key)
        self.files = [self.path(name).name for name in makers]
        self._notes = prepared.workload.notes
        self._learners = {name: make() for name, make in makers.items() if not self._is_learned(name)}
        self._bench = prepared.bench.twin()
        self._bench.batch_number = -1
        self._loss, self.loss_name = loss_of(options.loss, prepared.bench.reader, self.samples.batch(0).target)
        self._losses: dict[str, list[float]] = {name: [] for name in self._learners}
        self.total = self._planned(prepared.bench)
        self._load_checkpoint()
        self._saved_at, self._saving_seconds = time.monotonic(), 0.0

    def facts(self) -> TrainingFacts:
        """How it is trained."""
        chosen = self._options
        return TrainingFacts(
            steps=self.steps,
            learning_rate=chosen.learning_rate,
            loss=self.loss_name,
            learned_scale=chosen.learned_scale,
            batch_size=chosen.batch_size,
            epochs=self.steps / self.samples.batches_per_epoch,
            samples=len(self.samples.indices),
        )

    def path(self, name: str) -> Path:
        """The file of what a learner has learned."""
        return self._artifacts / f"trained-{_short(self._key, name)}.safetensors"

    @property
    def finished(self) -> bool:
        """Whether all that was learned is on disk."""
        return not self._learners

    @property
    def step(self) -> int:
        """Whole steps behind us."""
        return min((learner.step for learner in self._learners.values()), default=self.steps)

    @property
    def done(self) -> float:
        """Multiply-accumulates behind us, of `total`."""
        steps = [learner.step for learner in self._learners.values()]
        return self.total * sum(steps) / (self.steps * len(steps)) if steps else self.total

    def advance(self, should_stop: Callable[[], bool]) -> Iterator[Step]:
        """About two seconds of training."""
        deadline = time.monotonic() + SLICE_SECONDS
        while (step := self.step) < self.steps:
            size = self._load(step)
            for name, learner in self._learners.items():
                if learner.step > step:
                    continue
                loss = float(learner.learn(self._bench, self._loss))
                self._losses[name].append(loss)
                yield Step(name, step, loss, size)
                stop = should_stop()
                if stop or time.monotonic() > deadline:
                    self._save_checkpoint(at_once=stop)
                    return
        self._finish()

    def learned(self, name: str) -> tuple[dict[str, TrainedLayer], list[Step]]:
        """What a learner has learned, by module, and its steps; once `finished`."""
        layers, metadata = load_trained(self.path(name))
        losses = json.loads(metadata["losses"])
        return layers, [Step(name, number, loss, self.samples.size(number)) for number, loss in enumerate(losses)]

    def _is_learned(self, name: str) -> bool:
        path = self.path(name)

        def read() -> None:
            with reading(path):
                json.loads(read_metadata(path)["losses"])

        return usable(read, self._notes)

    def _load(self, step: int) -> int:
        if self._bench.batch_number != step:
            seed_everything(self.samples.seed + step)
            self._bench.load(self.samples.batch(step).to(self._device), step)
        return self._bench.batch.size

    def _planned(self, bench: Bench) -> float:
        if not self._learners:
            return 0.0
        work = bench.tape.macs + sum(learner.work(bench) for learner in self._learners.values())
        return self.steps * work / bench.batch.size * min(self.samples.batch_size, len(self.samples.indices))

    def _finish(self) -> None:
        for name, learner in self._learners.items():
            save_trained(self.path(name), learner.trained(), {"losses": json.dumps(self._losses[name])})
        self._checkpoint.unlink(missing_ok=True)
        self._learners = {}

    @property
    def _checkpoint(self) -> Path:
        return self._artifacts / f"training-{_short(self._key, *self._learners)}.safetensors"

    def _save_checkpoint(self, at_once: bool) -> None:
        began = time.monotonic()
        if not at_once and (began - self._saved_at) * _CHECKPOINT_SHARE < self._saving_seconds:
            return
        tensors: dict[str, Tensor] = {}
        for number, learner in enumerate(self._learners.values()):
            tensors |= {f"{number} {name}": tensor for name, tensor in learner.state().items()}
        steps = [learner.step for learner in self._learners.values()]
        save_tensors(self._checkpoint, tensors, {"steps": json.dumps(steps), "losses": json.dumps(self._losses)})
        self._saved_at = time.monotonic()
        self._saving_seconds = self._saved_at - began

    def _load_checkpoint(self) -> None:
        found: list[tuple[dict[str, Tensor], list[int], dict[str, list[float]]]] = []
        if not usable(lambda: found.append(self._read_checkpoint()), self._notes):
            return
        tensors, steps, self._losses = found[0]
        for number, (learner, step) in enumerate(zip(self._learners.values(), steps, strict=True)):
            mark = f"{number} "
            own = {name.removeprefix(mark): tensor for name, tensor in tensors.items() if name.startswith(mark)}
            learner.load_state(own, step)

    def _read_checkpoint(self) -> tuple[dict[str, Tensor], list[int], dict[str, list[float]]]:
        """(tensors, step of each learner, losses by learner)."""
        tensors, metadata = load_tensors(self._checkpoint)
        with reading(self._checkpoint):
            return tensors, json.loads(metadata["steps"]), json.loads(metadata["losses"])


def _key(prepared: Prepared, options: Qat, steps: int, key: str) -> str:
    """What the outcome hangs on: weights, calibration, training samples and options."""
    assert prepared.training_set is not None
    chosen = options.model_copy(update={"steps": steps}).model_dump()
    return json.dumps([_VERSION, prepared.calibration_path.stem, prepared.training_set.digest(), chosen, key])


def _short(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
