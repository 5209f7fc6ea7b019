"""The samples that fine-tuning sees: never one that is evaluated."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qdash.datasets.base import REGISTRY as DATASETS
from qdash.errors import DataError
from qdash.spec.sweep import Source
from qdash.sweep.prepare.workload import Workload
from qdash.tensors.samples import Batch, Samples


@dataclass(frozen=True)
class TrainingSet:
    """Samples in a seeded order, batch after batch, each epoch in another order."""

    samples: Samples
    indices: np.ndarray
    batch_size: int
    seed: int
    notes: list[str] = field(default_factory=list)

    @cached_property
    def batches_per_epoch(self) -> int:
        """The last one may be smaller."""
        return len(self.samples.groups(self.indices, self.batch_size))

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same in every process."""
        return self.samples.batch(self._of(step).tolist())

    def size(self, step: int) -> int:
        """How many samples the batch of a step has."""
        return len(self._of(step))

    def _of(self, step: int) -> np.ndarray:
        epoch, number = divmod(step, self.batches_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.indices)
        return self.samples.groups(order, self.batch_size)[number]

    def digest(self) -> str:
        """Of contents, order and batch size."""
        parts = [digest.hex() for digest in self.samples.digests(self.indices.tolist())]
        return hashlib.sha256(f"{self.batch_size} {self.seed} {parts}".encode()).hexdigest()


def training_set(workload: Workload, spec: Source, batch_size: int, wanted: int | None) -> TrainingSet:
    """`--training-data`, else the training split of the data, else the calibration samples; at most `wanted`.

    What is among the evaluation samples is left out, and told. Raises DataError where nothing is left.
    """
    samples, indices, origin = _source(workload, spec)
    chosen = np.random.default_rng(spec.seed).permutation(indices)[:wanted]
    evaluated = set(workload.evaluation.digests(workload.evaluation_indices.tolist()))
    new = np.array([digest not in evaluated for digest in samples.digests(chosen.tolist())], dtype=bool)
    notes = [f"fine-tuning uses {int(new.sum())} {origin}"]
    if not new.all():
        notes.append(f"{int((~new).sum())} of {len(chosen)} training samples are evaluated too; they are left out")
    if not new.any():
        raise DataError("every training sample is an evaluation sample; give others with --training-data")
    return TrainingSet(samples, chosen[new], batch_size, spec.seed, notes)


def _source(workload: Workload, spec: Source) -> tuple[Samples, np.ndarray, str]:
    if spec.training_data is not None:
        loaded = DATASETS.create(spec.training_data).load()
        given = loaded.training if loaded.training is not None else loaded.evaluation
        given.input_form = workload.input_form
        return given, np.arange(len(given)), f"samples of {given.origin}"
    if workload.training is not None:
        return workload.training, np.arange(len(workload.training)), "training samples of the data"
    return workload.calibration, workload.calibration_indices, "calibration samples, as no others were given"
