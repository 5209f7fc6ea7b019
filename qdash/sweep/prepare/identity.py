"""By what a calibration and a run are known again."""

import hashlib
import json
from collections.abc import Iterable

from qdash.models.base import REGISTRY as MODELS
from qdash.spec.sweep import Source
from qdash.sweep.prepare.ready import ReadyModel
from qdash.sweep.prepare.workload import Workload

_CALIBRATION_VERSION = 4


def calibration_key(workload: Workload, spec: Source, model: ReadyModel, layers: Iterable[str]) -> str:
    """Hash of all that the calibration of these layers hangs on."""
    parts = [
        _CALIBRATION_VERSION,
        workload.weights_digest,
        [d.hex() for d in workload.calibration.digests(workload.calibration_indices.tolist())],
        spec.calibration_batch_size,
        model.memory_format,  # the subsample goes by the order in memory
        spec.seed,
        [[fold.layer, fold.norm] for fold in model.folding.folds],
        sorted(layers),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def run_identity(workload: Workload, spec: Source) -> str:
    """Hash of weights, samples, spec and the model's own files: two runs with one identity measure the same."""
    hasher = hashlib.sha256(spec.model_dump_json().encode() + workload.weights_digest.encode())
    for file in MODELS.create(spec.model).files():
        hasher.update(file.read_bytes())
    for digest in workload.evaluation_digests:
        hasher.update(digest)
    return hasher.hexdigest()
