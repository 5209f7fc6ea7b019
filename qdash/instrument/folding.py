"""Folds every BatchNorm into the layer before it, as integer runtimes do, and checks each fold.

A pair qualifies when, in a recorded forward, the BatchNorm's only input is the layer's only output (the same object in
the same version), both are called equally often and share no weights with others. What a functional operation does with
the layer's output can't be seen, so the folded model is compared with the original and folds that change it are undone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from qdash.instrument.calls import Instrument
from qdash.instrument.output_error import output_error
from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.trees import cloned, tensors

TOLERANCE = 1e-5
_FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass
class Fold:
    """One BatchNorm folded into one layer, and how to undo it."""

    layer: str
    norm: str
    module: nn.Module
    batch_norm: nn.Module
    saved: tuple[Tensor, nn.Parameter | None] | None = None

    def apply(self) -> None:
        """W' = W·γ/√(σ² + ε), b' = (b − μ)·γ/√(σ² + ε) + β, computed in float64."""
        layer: Any = self.module
        norm: Any = self.batch_norm
        self.saved = layer.weight.data, layer.bias
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.weight is not None:
            gain = gain * norm.weight.data.double()
        bias = torch.zeros_like(gain) if layer.bias is None else layer.bias.data.double()
        shift = (bias - norm.running_mean.double()) * gain
        if norm.bias is not None:
            shift = shift + norm.bias.data.double()
        weight = layer.weight.data
        scaled = weight.double() * gain.reshape(-1, *[1] * (weight.dim() - 1))
        layer.weight.data = torch.empty_like(weight).copy_(scaled)
        layer.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=False)
        norm.forward = _pass_through

    def undo(self) -> None:
        """The layer and the BatchNorm exactly as before."""
        if self.saved is None:
            return
        layer: Any = self.module
        layer.weight.data, layer.bias = self.saved
        del self.batch_norm.forward
        self.saved = None


@dataclass
class Folding:
    """What was folded, and what was left and why."""

    folds: list[Fold] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    passes: int = 1  # forwards that finding and checking took
    reference: object = None  # the output before anything was folded


@contextmanager
def folded(model: nn.Module, args: Args, kwargs: Kwargs) -> Iterator[Folding]:
    """The model with its BatchNorms folded inside the block; checked on one batch."""
    state = RandomState.now()
    with Instrument(model) as instrument:
        watch = _Watch(instrument)
        with instrument.intercepting(watch):
            reference = cloned(instrument.run(*cloned((args, kwargs))))
        folding = watch.candidates()
        folding.reference = reference
    state.restore()
    try:
        _apply_checked(model, folding, reference, args, kwargs)
        yield folding
    finally:
        for fold in folding.folds:
            fold.undo()


def _apply_checked(model: nn.Module, folding: Folding, reference: object, args: Args, kwargs: Kwargs) -> None:
    for fold in folding.folds:
        fold.apply()
    folding.passes += bool(folding.folds)
    if not folding.folds or output_error(model, reference, args, kwargs) <= TOLERANCE:
        return
    for fold in folding.folds:
        fold.undo()
    kept = []
    for fold in folding.folds:  # one after the other, so that the culprit is known
        fold.apply()
        folding.passes += 1
        error = output_error(model, reference, args, kwargs)
        if error <= TOLERANCE:
            kept.append(fold)
        else:
            fold.undo()
            folding.left[fold.norm] = f"folding it changed the output by {error:.1e}, so {fold.layer} is used elsewhere"
    folding.folds = kept


class _Watch:
    """Sees which BatchNorm gets whose output."""

    def __init__(self, instrument: Instrument):
        self.modules = instrument.modules
        self.calls: dict[str, int] = {}
        self.sources: dict[str, set[str | None]] = {}
        self._made: dict[int, tuple[str, Tensor, int]] = {}  # holding the tensor keeps its id its own

    def __call__(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        module = self.modules[name]
        self.calls[name] = self.calls.get(name, 0) + 1
        if isinstance(module, _BATCH_NORMS):
            given = next(tensors([args, kwargs]), None)
            made = self._made.get(id(given))
            same = made is not None and given is not None and made[2] == given._version
            self.sources.setdefault(name, set()).add(made[0] if made and same else None)
        output = forward(*args, **kwargs)
        if isinstance(module, _FOLDABLE + _TRANSPOSED) and isinstance(output, Tensor):
            self._made[id(output)] = (name, output, output._version)
        return output

    def candidates(self) -> Folding:
        folding = Folding()
        owners = _owners(self.modules)
        followers: dict[str, int] = {}
        for sources in self.sources.values():
            for source in sources:
                followers[source or ""] = followers.get(source or "", 0) + 1
        for norm, sources in self.sources.items():
            reason = self._why_not(norm, sources, owners, followers)
            if reason:
                folding.left[norm] = reason
            else:
                (layer,) = sources
                assert layer is not None
                folding.folds.append(Fold(layer, norm, self.modules[layer], self.modules[norm]))
        return folding

    def _why_not(
        self, norm: str, sources: set[str | None], owners: dict[int, int], followers: dict[str, int]
    ) -> str | None:
        module: Any = self.modules[norm]
        layer = next(iter(sources))
        if module.running_mean is None or module.running_var is None:
            return "it has no running statistics"
        if len(sources) != 1 or layer is None:
            return "its input is not the output of one layer"
        if isinstance(self.modules[layer], _TRANSPOSED):
            return f"it follows {layer}, a transposed convolution, into which it is not folded"
        if "weight" not in self.modules[layer]._parameters:
            return f"the weight of {layer} is computed by a parametrization or a hook, so it can't be folded into it"
        if self.calls[layer] != self.calls[norm] or followers[layer] != 1:
            return f"{layer} is used elsewhere too"
        shared = [p for m in (module, self.modules[layer]) for p in m.parameters() if owners[id(p)] > 1]
        return f"{layer} or it shares weights with another module" if shared else None


def _owners(modules: dict[str, nn.Module]) -> dict[int, int]:
    owners: dict[int, int] = {}
    for module in modules.values():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return owners


def _pass_through(x: Tensor) -> Tensor:
    return x
