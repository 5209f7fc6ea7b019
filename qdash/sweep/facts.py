"""What is known before the first score: layers, coverage, samples, environment; plain JSON."""

import platform
from typing import Any

import numpy as np
import torch
from torch import nn

import qdash
from qdash.bench import Bench
from qdash.layers.base import LayerKind
from qdash.sweep.prepare import Prepared
from qdash.trees import tensors


def facts_of(prepared: Prepared) -> dict[str, Any]:
    """JSON-ready; `samples` in it are counts, work is in multiply-accumulates per sample."""
    subject, bench, training = prepared.subject, prepared.bench, prepared.training_set
    layers = [_layer(prepared, order, name) for order, name in enumerate(bench.layers)]
    return {
        "layers": layers,
        "coverage": _coverage(prepared, layers),
        "macs_per_sample": prepared.macs_per_sample,
        "params": sum(p.numel() for p in subject.model.parameters()),
        "samples": {
            "evaluation": len(subject.evaluation_indices),
            "evaluation_available": len(subject.evaluation),
            "calibration": len(subject.calibration_indices),
            "training": len(training.indices) if training is not None else None,
            "input": [
                f"{str(t.dtype)[6:]} {tuple(t.shape[1:])}"
                for t in tensors([prepared.first.args, prepared.first.kwargs])
            ],
            "output": list(bench.reference.shape[1:]),
            "evaluation_indices_digest": _digest(subject.evaluation_indices),
            "calibration_indices_digest": _digest(subject.calibration_indices),
        },
        "metric": _metric(bench),
        "identity": prepared.identity,
        "calibration_file": prepared.calibration_path.name,
        "folded": [{"layer": fold.layer, "norm": fold.norm} for fold in prepared.folding.folds],
        "notes": [
            *subject.notes,
            *sorted(prepared.instrument.notes),
            *_tied(prepared),
            *(training.notes if training else []),
        ],
        "environment": environment(subject.device),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine, as far as they change numbers."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "qdash": qdash.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def _layer(prepared: Prepared, order: int, name: str) -> dict[str, Any]:
    bench = prepared.bench
    module, kind = prepared.instrument.modules[name], bench.layers[name]
    weights = kind.weights(module)
    return {
        "layer": name,
        "type": type(module).__name__,
        "kind": kind.name,
        "groups": getattr(module, "groups", 1),
        "order": order,
        "calls": len(bench.tape.calls.get(name, ())),
        "params": sum(p.numel() for p in module.parameters(recurse=False)),
        "macs": bench.work_inside(name) / bench.batch.size,
        "macs_from_here": bench.work_from(name) / bench.batch.size,
        "weights": {w: {"shape": list(getattr(module, w).shape), "axis": axis} for w, axis in weights.items()},
        "note": kind.note,
    }


def _coverage(prepared: Prepared, layers: list[dict[str, Any]]) -> dict[str, Any]:
    covered = {id(p): p.numel() for p in _weights(prepared)}
    total = sum(p.numel() for p in prepared.subject.model.parameters())
    macs = sum(layer["macs"] for layer in layers)
    return {
        "layers": len(layers),
        "params_share": sum(covered.values()) / total if total else 0.0,
        "macs_share": macs / prepared.macs_per_sample if prepared.macs_per_sample else 0.0,
        "skipped": prepared.skipped,
    }


def _weights(prepared: Prepared) -> list[nn.Parameter]:
    modules, layers = prepared.instrument.modules, prepared.bench.layers
    return [getattr(modules[name], w) for name, kind in layers.items() for w in kind.weights(modules[name])]


def _tied(prepared: Prepared) -> list[str]:
    modules = prepared.instrument.modules
    owners: dict[int, list[str]] = {}
    for name, kind in prepared.bench.layers.items():
        _add_owners(owners, name, modules[name], kind)
    return [f"{' and '.join(names)} share one weight" for names in owners.values() if len(names) > 1]


def _add_owners(owners: dict[int, list[str]], name: str, module: nn.Module, kind: LayerKind) -> None:
    for weight in kind.weights(module):
        owners.setdefault(id(getattr(module, weight)), []).append(name)


def _metric(bench: Bench) -> dict[str, Any]:
    metric = bench.reader.metric
    shown = ("unit", "difference_unit", "factor", "binary", "higher_is_better", "needs_classes")
    return {"name": metric.name, **{key: getattr(metric, key) for key in shown}}


def _shape(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype)[6:]} {tuple(tensor.shape[1:])}"


def _digest(indices: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(indices.astype(np.int64).tobytes()).hexdigest()[:16]
