"""What is known before the first score: layers, coverage, samples, environment."""

import platform
from collections.abc import Sequence

import numpy as np
import torch

import qdash
from qdash.engine.bench import Bench
from qdash.instrument.computed import computed_weight
from qdash.instrument.weights import effective_weight
from qdash.records.facts import (
    Coverage,
    Environment,
    FoldedNorm,
    LayerFacts,
    MetricFacts,
    RunFacts,
    SampleFacts,
    WeightFacts,
)
from qdash.records.names import whole
from qdash.sweep.prepare.judged import output_facts
from qdash.sweep.prepare.layers import weight_parameters
from qdash.sweep.prepare.prepare import Prepared
from qdash.tensors.trees import tensors


def facts_of(prepared: Prepared) -> RunFacts:
    """Of a prepared model, before anything is measured; work is in multiply-accumulates per sample."""
    workload, bench = prepared.workload, prepared.bench
    layers = tuple(_layer(prepared, order, name) for order, name in enumerate(bench.layers))
    return RunFacts(
        layers=layers,
        coverage=_coverage(prepared, layers),
        macs_per_sample=prepared.macs_per_sample,
        params=sum(p.numel() for p in workload.model.parameters()),
        samples=_samples(prepared),
        metric=_metric(bench),
        identity=prepared.identity,
        weights_digest=workload.weights_digest,
        calibration_file=prepared.calibration_path.name,
        folded=tuple(FoldedNorm(fold.layer, fold.norm) for fold in prepared.folding.folds),
        memory_format=prepared.memory_format,
        notes=notes_of(prepared),
        environment=environment(workload.device),
        outputs=output_facts(prepared.outputs, bench.reader),
        no_path=prepared.no_path or None,
    )


def environment(device: torch.device) -> Environment:
    """Versions and machine, as far as they change numbers."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return Environment(
        qdash=qdash.__version__,
        torch=torch.__version__,
        numpy=np.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        device=str(device),
        device_name=name,
        threads=torch.get_num_threads(),
    )


def _samples(prepared: Prepared) -> SampleFacts:
    workload, training = prepared.workload, prepared.training_set
    first = [prepared.first.args, prepared.first.kwargs]
    return SampleFacts(
        evaluation=len(workload.evaluation_indices),
        evaluation_available=len(workload.evaluation),
        calibration=len(workload.calibration_indices),
        training=len(training.indices) if training is not None else None,
        input=tuple(_shape(tensor) for tensor in tensors(first)),
        output=tuple(prepared.bench.reference.judged.shape[1:]),
        evaluation_indices_digest=_digest(workload.evaluation_indices),
        calibration_indices_digest=_digest(workload.calibration_indices),
    )


def notes_of(prepared: Prepared) -> tuple[str, ...]:
    """What there is to say so far; more may come while artifacts are read."""
    training = prepared.training_set
    trained = training.notes if training is not None else ()
    notes = [*prepared.workload.notes, *_unreachable(prepared.no_path)]
    return (*notes, *sorted(prepared.instrument.notes), *_tied(prepared.bench), *trained)


def _unreachable(layers: Sequence[str]) -> tuple[str, ...]:
    said = f"can't reach what is judged, whatever happens to them, and are not ranked: {', '.join(layers)}"
    return (said,) if layers else ()


def _layer(prepared: Prepared, order: int, name: str) -> LayerFacts:
    bench = prepared.bench
    modules, kind, names = prepared.instrument.modules, bench.layers[name], bench.quantizers.names(name)
    module = modules[whole(name)]
    axes = kind.weights(module)
    computed = [found.note for site in bench.sites(name) if (found := computed_weight(modules[site]))]
    tied = f"shares its weight with {' and '.join(names[1:])}: quantized together" if len(names) > 1 else ""
    return LayerFacts(
        layer=name,
        type=kind.type_name(module),
        kind=kind.name,
        groups=getattr(module, "groups", 1),
        order=order,
        calls=len(bench.calls(name)),
        tied=names[1:],
        params=_own_parameters(prepared, names),
        macs=bench.work_inside(name) * kind.share(module) / bench.batch.size,
        macs_from_here=bench.work_from(name) / bench.batch.size,
        weights={path: WeightFacts(tuple(effective_weight(module, path).shape), axis) for path, axis in axes.items()},
        note="; ".join(filter(None, dict.fromkeys([tied, *computed, *(bench.kinds[each].note for each in names)]))),
    )


def _own_parameters(prepared: Prepared, names: Sequence[str]) -> int:
    modules, kinds = prepared.instrument.modules, {name: prepared.bench.kinds[name] for name in names}
    found = weight_parameters(modules, kinds)
    found += [p for name, kind in kinds.items() for p in kind.own_parameters(modules[whole(name)])]
    return sum({id(p): p.numel() for p in found}.values())


def _coverage(prepared: Prepared, layers: Sequence[LayerFacts]) -> Coverage:
    covered = weight_parameters(prepared.instrument.modules, prepared.bench.kinds)
    total = sum(p.numel() for p in prepared.workload.model.parameters())
    macs = sum(prepared.covered_macs[layer.layer] for layer in layers)
    return Coverage(
        layers=len(layers),
        params_share=sum(p.numel() for p in covered) / total if total else 0.0,
        macs_share=macs / prepared.macs_per_sample if prepared.macs_per_sample else 0.0,
        skipped=tuple(prepared.skipped),
    )


def _tied(bench: Bench) -> list[str]:
    groups = (bench.quantizers.names(layer) for layer in bench.layers)
    return [f"{' and '.join(names)} share one weight: quantized together" for names in groups if len(names) > 1]


def _metric(bench: Bench) -> MetricFacts:
    metric = bench.reader.metric
    return MetricFacts(
        name=metric.name,
        unit=metric.unit,
        difference_unit=metric.difference_unit,
        factor=metric.factor,
        binary=metric.binary,
        higher_is_better=metric.higher_is_better,
        needs_classes=metric.needs_classes,
    )


def _shape(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype)[6:]} {tuple(tensor.shape[1:])}"


def _digest(indices: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(indices.astype(np.int64).tobytes()).hexdigest()[:16]
