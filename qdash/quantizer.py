"""One layer under one setting: its quantized weights and how its input is quantized on the way in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from qdash.instrument import Forward
from qdash.layers.base import LayerKind
from qdash.quant.statistics import Statistics
from qdash.ranges import input_parameters, weight_parameters
from qdash.registry import family
from qdash.spec import Setting
from qdash.trained import TrainedLayer
from qdash.trees import map_tensors
from qdash.weights import effective_weight

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_BLOCKS = "per_channel"  # how weights are laid out for formats with blocks of their own: along the inputs of a channel


class LayerQuantizer:
    """Runs a layer's forward with quantized weights, quantized inputs, or both. Touches the layer only meanwhile."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        kind: LayerKind,
        setting: Setting,
        statistics: Callable[[], Statistics],
        trained: TrainedLayer | None = None,
    ):
        self.name, self.module, self.kind, self.setting = name, module, kind, setting
        self._statistics, self._trained = statistics, trained
        self._mode = family("modes").create(setting.mode)
        self._format = family("formats").create(setting.activation_format)
        self._granularity = family("granularities").create(setting.activation_granularity or kind.dynamic_granularity)
        self.quantizes_input: bool = self._mode.quantizes_inputs and kind.quantizes_input

    def run(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The override that quantizes weights and input."""
        args, kwargs = self.quantized_arguments(args, kwargs)
        with self.quantized_weights():
            return forward(*args, **kwargs)

    @contextmanager
    def quantized_weights(self) -> Iterator[None]:
        """The layer with quantized weights inside the block; the same memory layout as before."""
        owners = {name: getattr(self.module, name) for name in self.weights}
        originals = {name: owner.data for name, owner in owners.items()}
        try:
            for name, owner in owners.items():
                owner.data = self.weights[name]
            yield
        finally:
            for name, owner in owners.items():
                owner.data = originals[name]

    def quantized_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments with the first one quantized; integer tensors are left."""
        if not self.quantizes_input:
            return args, kwargs
        if args:
            return (self._quantized(args[0]), *args[1:]), kwargs
        first, *rest = kwargs
        return args, {first: self._quantized(kwargs[first]), **{key: kwargs[key] for key in rest}}

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """Parameter name → fake-quantized weight, fine-tuned where the layer was trained."""
        if self._trained is not None:
            return {path: self._like_original(path, weight) for path, weight in self._trained.weights.items()}
        axes = self.kind.weights(self.module)
        return {name: self._quantized_weight(getattr(self.module, name).data, axis) for name, axis in axes.items()}

    def weight_energies(self) -> tuple[Tensor, Tensor]:
        """(Σ w², Σ (w − w̃)²) over all weights of the layer, float64 scalars."""
        signal, noise = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for name, quantized in self.weights.items():
            original = getattr(self.module, name).data.double()
            signal = signal.to(original.device) + original.square().sum()
            noise = noise.to(original.device) + (original - quantized.double()).square().sum()
        return signal, noise

    def _quantized_weight(self, weight: Tensor, axis: int) -> Tensor:
        if weight.numel() == 0:
            return weight
        format = family("formats").create(self.setting.weight_format)
        granularity = family("granularities").create(self.setting.weight_granularity if format.needs_range else _BLOCKS)
        rows = granularity.rows(weight.float(), axis)
        if format.needs_range:
            parameters = weight_parameters(rows.cpu().numpy(), self.setting)
            scale, zero_point = (torch.from_numpy(p).to(weight.device).unsqueeze(1) for p in parameters)
            quantized = format.fake_quantize(rows, scale, zero_point, self.setting.weight_scheme)
        else:
            quantized = format.fake_quantize_blocks(rows)
        return torch.empty_like(weight).copy_(granularity.restore(quantized, tuple(weight.shape), axis))

    def _quantized(self, tree: Any) -> Any:
        return map_tensors(lambda x: self._quantize_input(x) if x.is_floating_point() else x, tree)

    def _quantize_input(self, x: Tensor) -> Tensor:
        if x.numel() == 0:
            return x
        if not self._format.needs_range:
            axis = self.kind.channel_axis(self.module) if x.dim() > 1 else -1
            return self._format.fake_quantize_blocks(x, axis, samples=True)  # type: ignore[no-any-return]
        if self._mode.live_ranges:
            scale, zero_point = self._live(x)
        else:
            scale, zero_point = self._fixed(x.device)
        quantized = self._format.fake_quantize(x.float(), scale, zero_point, self.setting.activation_scheme)
        return quantized.to(x.dtype)  # type: ignore[no-any-return]

    def _live(self, x: Tensor) -> tuple[Tensor, Tensor]:
        dims = self._granularity.reduced(x.dim())
        low, high = x.float().amin(dims, keepdim=True), x.float().amax(dims, keepdim=True)
        scheme, power_of_two = self.setting.activation_scheme, self.setting.power_of_two_scales
        scale, zero_point = self._format.live_parameters(low, high, scheme, power_of_two)
        return scale, zero_point

    def _fixed(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._by_device:
            scale, zero_point = (torch.from_numpy(p).to(device)[0] for p in self._parameters)
            self._by_device[device] = scale, zero_point
        return self._by_device[device]

    def _like_original(self, path: str, weight: Tensor) -> Tensor:
        return torch.empty_like(effective_weight(self.module, path)).copy_(weight)

    @cached_property
    def _parameters(self) -> tuple[Any, Any]:
        if self._trained is not None and self._trained.input is not None:
            return self._trained.input
        return input_parameters(self._statistics(), self.setting)

    @cached_property
    def _by_device(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}
