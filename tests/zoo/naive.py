"""The sweep written by hand: hooks and full forwards only, nothing of qdash's engine; the numbers to compare with."""

import copy
import functools
import sys
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from naive_quantizer import inputs_of, naive_input, naive_weight, weights_of
from torch import Tensor, nn
from zoo import BATCH, Animal, seed


class Naive:
    """A model, its layers and their input ranges."""

    def __init__(self, animal: Animal, folds: Any, bits: int, memory_format: str):
        module = loaded(animal.file)
        self.bits, self.animal = bits, animal
        self.model: nn.Module = animal.prepare(getattr(module, f"build_{animal.name}")()).eval()
        self.calibration = batches(getattr(module, f"calibration_{animal.name}")(), 32)
        self.evaluation = batches(getattr(module, f"evaluation_{animal.name}")(), BATCH)
        for fold in folds:
            fold_batch_norm(self.model, fold["layer"], fold["norm"])
        if memory_format == "channels_last":
            self.model.to(memory_format=torch.channels_last)
        named = {name or "(model)": module for name, module in self.model.named_modules()}
        parts = {f"{name}.out_proj" for name, module in named.items() if isinstance(module, nn.MultiheadAttention)}
        layers = {name: module for name, module in named.items() if weights_of(module) and name not in parts}
        self.layers = {part: module for name, module in layers.items() for part in parts_of(name, module)}
        self.ranges: dict[tuple[str, Any], list[float]] = {}
        self.called: set[str] = set()
        self._calibrate()
        self.references = self.outputs(())
        self.taken: list[dict[str, list[Any]]] = []

    def outputs(self, quantized: Any) -> list[Tensor]:
        """Of every batch, with the named layers quantized."""
        found = []
        for number, batch in enumerate(self.evaluation):
            with ExitStack() as stack:
                for name in quantized:
                    stack.enter_context(self._quantized(name))
                seed(number)
                found.append(scores(call(self.model, batch)))
        return found

    def noise(self, quantized: Any) -> float:
        """Σ (r − r̃)² at the model's output."""
        found = zip(self.references, self.outputs(quantized), strict=True)
        return sum(float((a.double() - b.double()).square().sum()) for a, b in found)

    def local_noise(self, sites: Any) -> float:
        """Σ (y − ỹ)² at the layer's own output, on its FP32 inputs."""
        total = 0.0
        for taken in self._taken():
            for name in sites:
                for args, kwargs in taken.get(name, []):
                    expected = self._forward(name, args, kwargs)
                    with self._quantized(name):
                        quantized = self._quantize_inputs(name, self.layers[name], *copy.deepcopy((args, kwargs)))
                        got = self._forward(name, *quantized)
                    total += float((expected.double() - got.double()).square().sum())
        return total

    def _forward(self, name: str, args: Any, kwargs: Any) -> Tensor:
        with restored(self.layers[name]):
            return scores(type(self.layers[name]).forward(self.layers[name], *args, **kwargs))

    def weight_noise(self, sites: Any) -> float:
        """Σ (w − w̃)² over distinct weights."""
        owned = {id(getattr(o, n)): (getattr(o, n), axis) for s in sites for o, n, axis in self._weights(s)}
        pairs = ((w.double(), naive_weight(w, axis, self.bits).double()) for w, axis in owned.values())
        return sum(float((w - quantized).square().sum()) for w, quantized in pairs)

    def _weights(self, name: str) -> list[tuple[nn.Module, str, int]]:
        """Those of a part of a stacked layer end with its name."""
        part = name.partition("#")[2]
        return [found for found in weights_of(self.layers[name]) if not part or found[1].endswith(f"_{part}")]

    @contextmanager
    def _quantized(self, name: str) -> Any:
        module = self.layers[name]
        stored = [(getattr(owner, key), getattr(owner, key).data, axis) for owner, key, axis in self._weights(name)]
        for parameter, data, axis in stored:
            parameter.data = torch.empty_like(data).copy_(naive_weight(data, axis, self.bits))
        hook = functools.partial(self._quantize_inputs, name)
        handle = module.register_forward_pre_hook(hook, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
            for parameter, data, _ in stored:
                parameter.data = data

    def _quantize_inputs(self, name: str, module: nn.Module, args: Any, kwargs: Any) -> Any:
        args, kwargs = list(args), dict(kwargs)
        done: dict[int, Any] = {}
        for key in inputs_of(module, tuple(args), kwargs) if name.partition("#")[2] in ("", "l0") else ():
            place = args if isinstance(key, int) else kwargs
            value = place[key]
            low, high = self.ranges.get((name, key), (0.0, 0.0))
            done.setdefault(id(value), packed_or_plain(value, lambda x, r=(low, high): naive_input(x, *r)))
            place[key] = done[id(value)]
        return tuple(args), kwargs

    def _calibrate(self) -> None:
        def watch(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
            self.called.add(name)
            for key in inputs_of(module, args, kwargs):
                packed_or_plain(args[key] if isinstance(key, int) else kwargs[key], self._widen(name, key))

        with ExitStack() as stack:
            for name, module in self.layers.items():
                handle = module.register_forward_pre_hook(functools.partial(watch, name), with_kwargs=True)
                stack.callback(handle.remove)
            seed(0)
            for batch in self.calibration:
                call(self.model, batch)

    def _widen(self, name: str, key: Any) -> Any:
        def widen(x: Tensor) -> Tensor:
            if x.numel() and x.is_floating_point():
                known = self.ranges.setdefault((name, key), [0.0, 0.0])
                known[:] = min(known[0], x.min().item()), max(known[1], x.max().item())
            return x

        return widen

    def _taken(self) -> list[dict[str, list[Any]]]:
        """FP32 arguments of every call, by batch and layer."""
        if self.taken:
            return self.taken
        for number, batch in enumerate(self.evaluation):
            found: dict[str, list[Any]] = {}
            with ExitStack() as stack:
                for name, module in self.layers.items():
                    taking = functools.partial(_take, found.setdefault(name, []))
                    stack.callback(module.register_forward_pre_hook(taking, with_kwargs=True).remove)
                seed(number)
                call(self.model, batch)
            self.taken.append(found)
        return self.taken


def parts_of(name: str, module: nn.Module) -> list[str]:
    """A stacked recurrent layer has a part for each layer and direction; everything else is one."""
    ends = [key[10:] for key, _ in module.named_parameters() if key.startswith("weight_ih_")]
    return [f"{name}#{end}" for end in ends] if isinstance(module, nn.RNNBase) and len(ends) > 1 else [name]


def _take(found: list[Any], module: nn.Module, args: Any, kwargs: Any) -> None:
    found.append(copy.deepcopy((args, kwargs)))


@contextmanager
def restored(model: nn.Module) -> Any:
    """Buffers and tables that a forward changes are put back."""
    kept = copy.deepcopy(model.state_dict())
    try:
        yield
    finally:
        for key, value in model.state_dict().items():
            value.copy_(kept[key])


def call(model: nn.Module, batch: Any) -> Any:
    """One forward, on a copy of the batch."""
    batch = copy.deepcopy(batch)
    with restored(model):
        if isinstance(batch, Mapping):
            return model(**batch)
        return model(*batch) if type(batch) is tuple else model(batch)


def scores(output: Any) -> Tensor:
    """The tensor that counts."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return output.data
    if isinstance(output, Mapping):
        return scores(output["scores"])
    return output.logits if hasattr(output, "logits") else scores(output[0])


def packed_or_plain(value: Any, function: Any) -> Any:
    """The function on a tensor, or on what a packed sequence holds."""
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return value._replace(data=function(value.data))
    return function(value)


def batches(data: Any, size: int) -> list[Any]:
    """Inputs in the order of a run: shuffled with seed 0; lists of batches keep theirs together."""
    parts = data if isinstance(data, list) else [data]
    starts = np.cumsum([0, *(len(labels) for _, labels in parts)])
    order = np.random.default_rng(0).permutation(starts[-1])
    part_of = np.searchsorted(starts, order, side="right") - 1
    found = []
    for part in dict.fromkeys(part_of.tolist()):
        rows = order[part_of == part] - starts[part]
        pieces = (rows[start : start + size] for start in range(0, len(rows), size))
        found += [_rows(parts[part][0], torch.from_numpy(piece)) for piece in pieces]
    return found


def _rows(inputs: Any, at: Tensor) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[at]
    if isinstance(inputs, Mapping):
        return {key: value[at] for key, value in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(value[at] for value in inputs)
    return type(inputs)(**{key: value[at] for key, value in vars(inputs).items()})


def fold_batch_norm(model: nn.Module, layer_name: str, norm_name: str) -> None:
    """W' = W·γ/√(σ² + ε), b' = (b − μ)·γ/√(σ² + ε) + β; the norm becomes the identity."""
    layer: Any = model.get_submodule(layer_name)
    norm: Any = model.get_submodule(norm_name)
    gain = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.double()
    bias = 0 if layer.bias is None else layer.bias.double()
    layer.bias = nn.Parameter(((bias - norm.running_mean.double()) * gain + norm.bias.double()).float())
    layer.weight.data = torch.empty_like(layer.weight).copy_(layer.weight.double() * gain.view(-1, 1, 1, 1))
    parent, _, child = norm_name.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Identity())


def loaded(file: str) -> Any:
    """The module that a zoo file is, as the sweep loads it too."""
    return next(module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == file)
