"""Model and samples of a run, loaded, checked and split: what everything else works on."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from qdash.datasets.base import REGISTRY as DATASETS
from qdash.errors import ModelError, SpecError
from qdash.instrument.ambient import no_inference_mode, own_defaults
from qdash.models.base import REGISTRY as MODELS
from qdash.spec.sweep import Source
from qdash.sweep.prepare.fit import check_fit
from qdash.sweep.prepare.lazy import lazy_modules
from qdash.sweep.prepare.split import choose, split_in_two
from qdash.tensors.call import Call
from qdash.tensors.checkpoints.load import load_weights
from qdash.tensors.samples import Batch, Samples

CALIBRATION_BATCHES = 100


@dataclass
class Workload:
    """The model on its device and the chosen samples."""

    model: nn.Module
    device: torch.device
    evaluation: Samples
    evaluation_indices: np.ndarray
    calibration: Samples
    calibration_indices: np.ndarray
    weights_digest: str
    evaluation_digests: list[bytes]  # of the inputs, in the order of the indices
    training: Samples | None = None  # the data's own training split
    notes: list[str] = field(default_factory=list)
    input_form: Callable[[Call], Call] | None = None  # how inputs become what the model takes

    def use_input_form(self, form: Callable[[Call], Call], note: str) -> None:
        """From now on every input is converted: arguments to arguments."""
        self.input_form = form
        self.notes.append(note)
        for samples in filter(None, (self.evaluation, self.calibration, self.training)):
            samples.input_form = form

    def batches(self, samples: Samples, indices: np.ndarray, size: int) -> Iterator[Batch]:
        """In order of `indices`, (samples,) int64, on the device; the last one may be smaller."""
        for group in samples.groups(indices, size):
            yield samples.batch(group.tolist()).to(self.device)


def load_workload(spec: Source) -> Workload:
    """Raises ModelError and DataError with one line."""
    device = _device(spec.device)
    with own_defaults():
        model, notes = load_model(spec)
    loaded = DATASETS.create(spec.data).load()
    evaluation, calibration = loaded.evaluation, loaded.calibration
    if spec.calibration_data is not None:
        calibration = DATASETS.create(spec.calibration_data).load().evaluation
    indices, calibration_indices = np.arange(len(evaluation)), np.arange(len(calibration or ()))
    if calibration is None:
        indices, calibration_indices = split_in_two(len(evaluation), evaluation.labels(), spec.seed)
        calibration = evaluation
        notes.append(
            f"one set was given: {len(calibration_indices)} of its {len(evaluation)} samples calibrate, "
            f"{len(indices)} evaluate"
        )
    wanted = spec.calibration_samples or min(
        len(calibration_indices), CALIBRATION_BATCHES * spec.calibration_batch_size
    )
    chosen, said = choose(indices, spec.samples, spec.seed, "evaluation")
    chosen_calibration, said_too = choose(calibration_indices, wanted, spec.seed, "calibration")
    workload = Workload(
        model=model.to(device),
        device=device,
        evaluation=evaluation,
        evaluation_indices=chosen,
        calibration=calibration,
        calibration_indices=chosen_calibration,
        weights_digest="" if lazy_modules(model) else weights_digest(model),
        evaluation_digests=evaluation.digests(chosen.tolist()),
        training=loaded.training,
        notes=[*notes, *evaluation.notes, *_other_notes(calibration, evaluation), *said, *said_too],
    )
    if loaded.calibration is not None or spec.calibration_data is not None:
        workload.notes += _overlap(workload)
    return workload


def load_model(spec: Source) -> tuple[nn.Module, list[str]]:
    """The model with its weights, unwrapped, in the mode it came in, and what was said on the way."""
    source = MODELS.create(spec.model)
    with no_inference_mode():
        model, notes = source.load(), []
    while (inner := _wrapped(model)) is not None:
        notes.append(f"took the model out of its {type(model).__name__} wrapper")
        model = inner
    if spec.weights is not None:
        notes += load_weights(model, spec.weights, spec.weights_key)
    check_fit(model)
    _check_finite(model)
    if any(m.training for m in model.modules()):
        notes.append("the model was in training mode; it is analysed in evaluation mode")
    return model, notes


def _wrapped(model: nn.Module) -> nn.Module | None:
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return model.get_submodule("module")
    inner = model._modules.get("_orig_mod")  # of torch.compile
    return inner if type(model).__name__ == "OptimizedModule" else None


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes and contents of all parameters and buffers."""
    hasher = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SpecError(f"device {name!r} is not there: torch sees no CUDA device; use --device cpu or auto")
    return torch.device(name)


def _check_finite(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor) or is_lazy(tensor) or not tensor.is_floating_point():
            continue
        if not bool(torch.isfinite(tensor).all()):
            layer, _, parameter = name.rpartition(".")
            raise ModelError(f"layer {layer or '(model)'}: its {parameter} holds NaN or Inf; repair the weights")


def _other_notes(calibration: Samples, evaluation: Samples) -> tuple[str, ...]:
    return () if calibration is evaluation else calibration.notes


def _overlap(workload: Workload) -> list[str]:
    evaluation = workload.evaluation_digests
    calibration = set(workload.calibration.digests(workload.calibration_indices.tolist()))
    shared = sum(digest in calibration for digest in evaluation)
    return [f"{shared} of {len(evaluation)} evaluation samples are in the calibration set too"] if shared else []
