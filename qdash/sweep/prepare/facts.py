"""What is known before the first score: layers, coverage, samples, environment; plain JSON."""

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import qdash
from qdash.engine.bench import Bench
from qdash.instrument.weights import effective_weight
from qdash.sweep.prepare.layers import weight_parameters
from qdash.sweep.prepare.prepare import Prepared
from qdash.tensors.trees import tensors


def facts_of(prepared: Prepared) -> dict[str, Any]:
    """JSON-ready; `samples` in it are counts, work is in multiply-accumulates per sample."""
    workload, bench, training = prepared.workload, prepared.bench, prepared.training_set
    layers = [_layer(prepared, order, name) for order, name in enumerate(bench.layers)]
    return {
        "layers": layers,
        "coverage": _coverage(prepared, layers),
        "macs_per_sample": prepared.macs_per_sample,
        "params": sum(p.numel() for p in workload.model.parameters()),
        "samples": {
            "evaluation": len(workload.evaluation_indices),
            "evaluation_available": len(workload.evaluation),
            "calibration": len(workload.calibration_indices),
            "training": len(training.indices) if training is not None else None,
            "input": [
                f"{str(t.dtype)[6:]} {tuple(t.shape[1:])}"
                for t in tensors([prepared.first.args, prepared.first.kwargs])
            ],
            "output": list(bench.reference.judged.shape[1:]),
            "evaluation_indices_digest": _digest(workload.evaluation_indices),
            "calibration_indices_digest": _digest(workload.calibration_indices),
        },
        "metric": _metric(bench),
        "identity": prepared.identity,
        "weights_digest": workload.weights_digest,
        "calibration_file": prepared.calibration_path.name,
        "folded": [{"layer": fold.layer, "norm": fold.norm} for fold in prepared.folding.folds],
        "memory_format": prepared.memory_format,
        "notes": [
            *workload.notes,
            *sorted(prepared.instrument.notes),
            *_tied(bench),
            *(training.notes if training is not None else ()),
        ],
        "environment": environment(workload.device),
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
    modules, kind, sites = prepared.instrument.modules, bench.layers[name], bench.sites(name)
    module = modules[name]
    weights = {path: effective_weight(module, path).shape for path in kind.weights(module)}
    tied = f"shares its weight with {' and '.join(sites[1:])}: quantized together" if len(sites) > 1 else ""
    return {
        "layer": name,
        "type": kind.type_name(module),
        "kind": kind.name,
        "groups": getattr(module, "groups", 1),
        "order": order,
        "calls": len(bench.calls(name)),
        "tied": list(sites[1:]),
        "params": _own_parameters(prepared, sites),
        "macs": bench.work_inside(name) / bench.batch.size,
        "macs_from_here": bench.work_from(name) / bench.batch.size,
        "weights": {p: {"shape": list(shape), "axis": kind.weights(module)[p]} for p, shape in weights.items()},
        "note": "; ".join(filter(None, dict.fromkeys([tied, *(bench.kinds[site].note for site in sites)]))),
    }


def _own_parameters(prepared: Prepared, sites: Sequence[str]) -> int:
    modules, kinds = prepared.instrument.modules, prepared.bench.kinds
    found = weight_parameters(modules, {site: kinds[site] for site in sites})
    found += [p for site in sites for p in modules[site].parameters(recurse=False)]
    return sum({id(p): p.numel() for p in found}.values())


def _coverage(prepared: Prepared, layers: list[dict[str, Any]]) -> dict[str, Any]:
    covered = weight_parameters(prepared.instrument.modules, prepared.bench.kinds)
    total = sum(p.numel() for p in prepared.workload.model.parameters())
    macs = sum(prepared.covered_macs[layer["layer"]] for layer in layers)
    return {
        "layers": len(layers),
        "params_share": sum(p.numel() for p in covered) / total if total else 0.0,
        "macs_share": macs / prepared.macs_per_sample if prepared.macs_per_sample else 0.0,
        "skipped": prepared.skipped,
    }


def _tied(bench: Bench) -> list[str]:
    groups = (bench.sites(layer) for layer in bench.layers)
    return [f"{' and '.join(sites)} share one weight: quantized together" for sites in groups if len(sites) > 1]


def _metric(bench: Bench) -> dict[str, Any]:
    metric = bench.reader.metric
    shown = ("unit", "difference_unit", "factor", "binary", "higher_is_better", "needs_classes")
    return {"name": metric.name, **{key: getattr(metric, key) for key in shown}}


def _shape(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype)[6:]} {tuple(tensor.shape[1:])}"


def _digest(indices: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(indices.astype(np.int64).tobytes()).hexdigest()[:16]
