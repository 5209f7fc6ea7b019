"""One layer under one setting: its quantized weights and how its input is quantized on the way in."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

import torch
from torch import Tensor, nn

from qdash.calibration.ranges import input_parameters, weight_parameters
from qdash.engine.site import Site
from qdash.engine.trained import TrainedLayer
from qdash.errors import ModelError
from qdash.instrument.arguments import inputs_of, with_inputs
from qdash.instrument.weights import effective_weight, exchanged, identity
from qdash.registry import family
from qdash.spec.setting import Setting
from qdash.tensors.call import Args, Call, Forward, Kwargs
from qdash.tensors.trees import map_tensors

_BLOCKS = "per_channel"  # how weights are laid out for formats with blocks of their own: along the inputs of a channel


class LayerQuantizer:
    """Runs a layer's forward with quantized weights, quantized inputs, or both. Touches the layer only meanwhile."""

    def __init__(self, site: Site, setting: Setting, trained: TrainedLayer | None = None):
        module, kind = site.module, site.kind
        self.module, self.kind, self.setting = module, kind, setting
        self._statistics, self._trained = site.statistics, trained
        self._mode = family("modes").create(setting.mode)
        self._format = family("formats").create(setting.activation_format)
        self._granularity = family("granularities").create(setting.activation_granularity or kind.dynamic_granularity)
        self._inputs, self._weight_inputs = kind.inputs(module), kind.weight_inputs(module)
        self.quantizes_input: bool = self._mode.quantizes_inputs and kind.quantizes_input and any(self._inputs)
        self._fixed_ranges: dict[tuple[str, torch.device], tuple[Tensor, Tensor]] = {}
        self._constants: dict[int, tuple[Tensor, Tensor]] = {}  # holding a weight keeps its id its own

    def run(self, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        """The override that quantizes weights and input."""
        args, kwargs = self.quantized_arguments(args, kwargs)
        with self.quantized_weights():
            return forward(*args, **kwargs)

    @contextmanager
    def quantized_weights(self) -> Iterator[None]:
        """The layer with quantized weights inside the block; the same memory layout as before."""
        with exchanged(self.module, self.weights):
            yield

    def inputs(self, args: Args, kwargs: Kwargs) -> dict[str, object]:
        """Name → argument, of the arguments that are quantized as activations."""
        found = inputs_of(self._inputs, args, kwargs)
        return {name: value for name, value in found.items() if name not in self._weight_inputs}

    def quantized_arguments(self, args: Args, kwargs: Kwargs) -> Call:
        """The arguments with the layer's inputs quantized; integer tensors are left.

        An argument that is passed as several inputs stays one object, which attention layers look at.
        """
        if not self.quantizes_input:
            return args, kwargs
        given, done = inputs_of(self._inputs, args, kwargs), {}
        for name, value in given.items():
            if id(value) not in done:
                done[id(value)] = self._quantized(value, name)
        changed = {name: done[id(value)] for name, value in given.items()}
        return with_inputs(self._inputs, args, kwargs, changed)

    def make_ready(self) -> None:
        """Computes now what would be computed when first needed and kept: weights, their errors, ranges of inputs."""
        device = next((energies.device for energies in self._energies.values()), torch.device("cpu"))
        if self.quantizes_input and self._format.needs_range and not self._mode.live_ranges:
            for name in set(self._inputs) - {"", *self._weight_inputs}:
                with suppress(ModelError):  # an input that was never seen is an error where it is needed
                    self._fixed(name, device)

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """Path of a weight → fake-quantized weight, of its shape and dtype; fine-tuned where the layer was trained."""
        if self._trained is not None:
            return {path: self._like_original(path, weight) for path, weight in self._trained.weights.items()}
        axes = self.kind.weights(self.module)
        return {path: self._quantized_weight(effective_weight(self.module, path), axis) for path, axis in axes.items()}

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two quantizers of one module only if they do the same to every input."""
        hasher = hashlib.sha256(repr(self.input_identity).encode())
        for path, weight in self.weights.items():
            hasher.update(path.encode())
            hasher.update(weight.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return hasher.hexdigest()

    @cached_property
    def input_identity(self) -> tuple[object, ...]:
        """Equal for two quantizers of one module only if they do the same to every input of it."""
        setting = self.setting
        if not self.quantizes_input:
            return ()
        if self._weight_inputs or self._trained is not None:
            return (setting.key,)
        how = (
            setting.mode,
            setting.activation_format,
            setting.activation_scheme,
            setting.activation_granularity,
            setting.power_of_two_scales,
        )
        if self._mode.live_ranges or not self._format.needs_range:
            return how
        try:
            ranges = [self._fixed(name, torch.device("cpu")) for name in self._inputs if name]
        except ModelError:  # never seen, or always empty
            return (setting.key,)
        return (*how, *((float(scale), int(zero_point)) for scale, zero_point in ranges))

    def weight_energies(self, seen: set[int]) -> tuple[Tensor, Tensor]:
        """(Σ w², Σ (w − w̃)²) over the weights of the layer, float64 scalars.

        Weights whose identity is in `seen` are left out, the others join it.
        """
        found = [torch.zeros(2, dtype=torch.float64)]
        for path, energies in self._energies.items():
            if identity(self.module, path) not in seen:
                seen.add(identity(self.module, path))
                found.append(energies)
        signal, noise = torch.stack([e.to(found[-1].device) for e in found]).sum(0)
        return signal, noise

    @cached_property
    def _energies(self) -> dict[str, Tensor]:
        """Path of a weight → Σ w² and Σ (w − w̃)², float64."""
        found = {}
        for path, quantized in self.weights.items():
            found[path] = torch.empty(2, dtype=torch.float64, device=quantized.device)  # before what comes and goes
            original = effective_weight(self.module, path).double()
            found[path][0] = original.square().sum()
            found[path][1] = (original - quantized.double()).square().sum()
        return found

    def _quantized_weight(self, weight: Tensor, axis: int) -> Tensor:
        if weight.numel() == 0:
            return weight
        found = torch.empty_like(weight)  # before what comes and goes
        format = family("formats").create(self.setting.weight_format)
        granularity = family("granularities").create(self.setting.weight_granularity if format.needs_range else _BLOCKS)
        rows = granularity.rows(weight.float(), axis)
        if format.needs_range:
            parameters = weight_parameters(rows.cpu().numpy(), self.setting)
            scale, zero_point = (torch.from_numpy(p).to(weight.device).unsqueeze(1) for p in parameters)
            quantized = format.fake_quantize(rows, scale, zero_point, self.setting.weight_scheme)
        else:
            quantized = format.fake_quantize_blocks(rows)
        return found.copy_(granularity.restore(quantized, tuple(weight.shape), axis))

    def _quantized(self, tree: object, name: str) -> object:
        if name in self._weight_inputs and isinstance(tree, Tensor):
            return self._quantized_constant(tree, self._weight_inputs[name])
        return map_tensors(lambda x: self._quantize_input(x, name) if x.is_floating_point() else x, tree)

    def _quantized_constant(self, weight: Tensor, axis: int) -> Tensor:
        if id(weight) not in self._constants:
            quantized = self._quantized_weight(weight.detach(), axis)
            if not isinstance(weight, nn.Parameter):  # computed on the way
                return quantized
            self._constants[id(weight)] = weight, quantized
        return self._constants[id(weight)][1]

    def _quantize_input(self, x: Tensor, name: str) -> Tensor:
        if x.numel() == 0:
            return x
        if not self._format.needs_range:
            axis = self.kind.channel_axis(self.module) if x.dim() > 1 else -1
            in_blocks: Tensor = self._format.fake_quantize_blocks(x, axis, samples=True)
            return in_blocks
        if self._mode.live_ranges:
            scale, zero_point = self._live(x)
        else:
            scale, zero_point = self._fixed(name, x.device)
        quantized: Tensor = self._format.fake_quantize(x.float(), scale, zero_point, self.setting.activation_scheme)
        return quantized.to(x.dtype)

    def _live(self, x: Tensor) -> tuple[Tensor, Tensor]:
        dims = self._granularity.reduced(x.dim())
        low, high = x.float().amin(dims, keepdim=True), x.float().amax(dims, keepdim=True)
        scheme, power_of_two = self.setting.activation_scheme, self.setting.power_of_two_scales
        scale, zero_point = self._format.live_parameters(low, high, scheme, power_of_two)
        return scale, zero_point

    def _like_original(self, path: str, weight: Tensor) -> Tensor:
        return torch.empty_like(effective_weight(self.module, path)).copy_(weight)

    def _fixed(self, name: str, device: torch.device) -> tuple[Tensor, Tensor]:
        if (name, device) not in self._fixed_ranges:
            parameters = self._trained.inputs.get(name) if self._trained is not None else None
            parameters = parameters or input_parameters(self._statistics(name), self.setting)
            scale, zero_point = (torch.tensor(p[0]) for p in parameters)
            scale = scale.to(device)  # the zero point stays on the host: asking a device for it would wait for it
            self._fixed_ranges[name, device] = scale, zero_point
        return self._fixed_ranges[name, device]
