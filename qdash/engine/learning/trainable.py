"""A layer that learns under quantization: latent weights, and scales where asked for, on their way to the grid."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from qdash.calibration.ranges import weight_parameters
from qdash.engine.learning.straight_through import ends, fake_quantize, lsq_gradient_scale, passed_through
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.site import Site
from qdash.engine.trained import TrainedLayer
from qdash.formats.base import ScaledFormat
from qdash.instrument.weights import effective_weight, identity, substituted
from qdash.quant.affine import QuantParameters
from qdash.registry import family
from qdash.spec.setting import Setting


class LearnedScale:
    """S = S₀·exp(g/Q) with Q the highest level: positive, and a step of g moves the ends by one step of the grid."""

    def __init__(self, scale: Tensor, zero_point: Tensor, format: ScaledFormat, scheme: str, learned: bool):
        self.start, self.zero_point = scale, zero_point
        low, high = ends(scale, zero_point, format, scheme)
        self.largest = torch.maximum(-low, high)
        self.growth = torch.zeros_like(scale, requires_grad=True) if learned else None

    def scale(self) -> Tensor:
        """Of the shape it started with; with the graph back to the growth where it is learned."""
        if self.growth is None:
            return self.start
        return self.start * torch.exp(self.growth * self.start / self.largest)

    def parameters(self) -> QuantParameters:
        """As flat arrays, as they stand."""
        return QuantParameters(
            self.scale().detach().reshape(-1).cpu().numpy(), self.zero_point.reshape(-1).cpu().numpy()
        )


class TrainableWeight:
    """W = W₀ + d·Δ on its way to the grid: d, which is trained, counts quantization steps, so that one learning rate
    serves every layer and format.

    Δ: per row, the step of a uniform grid whose error is that of the format here: √12 times the RMS error.
    """

    def __init__(self, weight: Tensor, axis: int, setting: Setting, learned_scale: bool):
        self._format = family("formats").create(setting.weight_format)
        scaled = self._format.needs_range
        self._granularity = family("granularities").create(setting.weight_granularity if scaled else "per_channel")
        self._weight, self._axis, self._scheme = weight, axis, setting.weight_scheme
        self._rows = self._granularity.rows(weight.float(), axis)
        self.scale: LearnedScale | None = None
        if scaled:
            parameters = weight_parameters(self._rows.cpu().numpy(), setting)
            start = [torch.from_numpy(p).to(weight.device).unsqueeze(1) for p in parameters]
            self.scale = LearnedScale(start[0], start[1], self._format, self._scheme, learned_scale)
        self.displacement = torch.zeros_like(self._rows, requires_grad=True)
        self._step = _step(self._rows, self._on_grid(self._rows).detach())

    @property
    def exact(self) -> bool:
        """Whether quantization changes nothing, so that there is nothing to learn."""
        return not bool(self._step.any())

    def quantized(self) -> Tensor:
        """Of shape, dtype and layout of the weight, with the graph back to what is trained."""
        rows = self._on_grid(self._rows + self.displacement * self._step)
        restored = self._granularity.restore(rows, tuple(self._weight.shape), self._axis)
        return torch.empty_like(self._weight).copy_(restored)

    def _on_grid(self, rows: Tensor) -> Tensor:
        if self.scale is None:
            return passed_through(rows, self._format.fake_quantize_blocks(rows.detach()))
        factor = lsq_gradient_scale(rows.shape[1], self.scale.start, self.scale.largest)
        return fake_quantize(rows, self.scale.scale(), self.scale.zero_point, self._format, self._scheme, factor)


class TrainableLayer(LayerQuantizer):
    """Runs like its base class, in a graph that leads to the tensors of `trained_tensors`.

    Biases stay as they are. `calibrated`: the inputs that have a range. `shared`: weights that other modules train too
    (tied weights), by identity.
    """

    def __init__(
        self,
        site: Site,
        setting: Setting,
        calibrated: Sequence[str],
        device: torch.device,
        learned_scale: bool = False,
        shared: dict[int, TrainableWeight] | None = None,
    ):
        super().__init__(site, setting)
        module = self.module
        shared = {} if shared is None else shared
        self.trainable: dict[str, TrainableWeight] = {}
        for path, axis in self.kind.weights(module).items():
            weight, key = effective_weight(module, path), identity(module, path)
            if weight.numel():
                if key not in shared:
                    shared[key] = TrainableWeight(weight, axis, setting, learned_scale)
                self.trainable[path] = shared[key]
        has_fixed_ranges = self.quantizes_input and not self._mode.live_ranges and self._format.needs_range
        self._scales: dict[str, LearnedScale] = {}
        for input in calibrated if has_fixed_ranges else ():
            grid = self._fixed(input, device)
            self._scales[input] = LearnedScale(*grid, self._format, setting.activation_scheme, learned_scale)

    @property
    def learns(self) -> bool:
        """Whether there is something to learn: there isn't where quantizing the weights changes nothing."""
        return self._grows or not all(weight.exact for weight in self.trainable.values())

    def trained_tensors(self) -> dict[str, Tensor]:
        """The leaves of the graph by a name that is the same in every process."""
        found = {path: weight.displacement for path, weight in self.trainable.items()}
        scales = {path: weight.scale for path, weight in self.trainable.items()} | self._scales
        grown = {f"scale of {name}": scale.growth for name, scale in scales.items() if scale is not None}
        return found | {name: growth for name, growth in grown.items() if growth is not None}

    @contextmanager
    def quantized_weights(self) -> Iterator[None]:
        """The layer with its latent weights on the grid inside the block, in the graph."""
        with substituted(self.module, {path: weight.quantized() for path, weight in self.trainable.items()}):
            yield

    def trained(self) -> TrainedLayer:
        """What it has learned so far."""
        with torch.no_grad():
            weights = {path: weight.quantized() for path, weight in self.trainable.items()}
        scales = {path: w.scale.parameters() for path, w in self.trainable.items() if w.scale is not None}
        return TrainedLayer(weights, scales, {name: scale.parameters() for name, scale in self._scales.items()})

    @property
    def _grows(self) -> bool:
        scales = [weight.scale for weight in self.trainable.values()] + list(self._scales.values())
        return any(scale is not None and scale.growth is not None for scale in scales)

    def _quantize_input(self, x: Tensor, name: str) -> Tensor:
        if x.numel() == 0:
            return x
        if not self._format.needs_range:
            return passed_through(x, super()._quantize_input(x.detach(), name))
        factor = 1.0
        if self._mode.live_ranges:
            scale, zero_point = self._live(x.detach())
        elif name in self._scales:
            learned = self._scales[name]
            scale, zero_point = learned.scale(), learned.zero_point
            factor = lsq_gradient_scale(x[0].numel(), learned.start, learned.largest)
        else:
            scale, zero_point = self._fixed(name, x.device)
        scheme = self.setting.activation_scheme
        return fake_quantize(x.float(), scale, zero_point, self._format, scheme, factor).to(x.dtype)


def _step(rows: Tensor, quantized: Tensor) -> Tensor:
    """(rows, 1), in units of the weight; pooled over rows, each in units of its largest value."""
    largest = rows.abs().amax(1, keepdim=True)
    relative = (rows - quantized) / torch.where(largest > 0, largest, 1.0)
    return largest * math.sqrt(12) * relative.square().mean().sqrt()
