"""Which modules of a model are quantizable layers, and what is skipped and why: coverage is never silent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from qdash.folding import Folding
from qdash.layers.base import REGISTRY, LayerKind
from qdash.replay import Tape


@dataclass(frozen=True)
class Found:
    """Quantizable layers in call order, and skipped modules with their reasons."""

    layers: dict[str, LayerKind]
    skipped: list[dict[str, Any]]


def kinds_of(modules: Mapping[str, nn.Module]) -> dict[str, LayerKind]:
    """Module path → kind, for every module of a known kind."""
    kinds = [entry.create() for entry in REGISTRY]
    found = {}
    for name, module in modules.items():
        kind = next((k for k in kinds if isinstance(module, k.module_types())), None)
        if kind is not None:
            found[name] = kind
    return found


def find_layers(modules: Mapping[str, nn.Module], tape: Tape, folding: Folding) -> Found:
    """From one recorded forward."""
    kinds = kinds_of(modules)
    called = sorted((name for name in kinds if name in tape.calls), key=lambda name: tape.calls[name][0])
    norms = {fold.norm: f"folded into {fold.layer}" for fold in folding.folds}
    norms |= {norm: f"a BatchNorm that stays FP32: {reason}" for norm, reason in folding.left.items()}
    skipped = []
    for name, module in modules.items():
        own = sum(p.numel() for p in module.parameters(recurse=False))
        if own and name not in called:
            reason = norms.get(name) or _reason(name in kinds, module)
            skipped.append({"name": name, "type": type(module).__name__, "params": own, "reason": reason})
    return Found({name: kinds[name] for name in called}, skipped)


def _reason(known: bool, module: nn.Module) -> str:
    if known:
        return "not called as a module in forward (unused, or its weights are read by its parent)"
    if all(p.dim() < 2 for p in module.parameters(recurse=False)):
        return "has no weight matrix; its parameters stay FP32"
    return "this kind of layer can't be quantized here; its weights stay FP32"
