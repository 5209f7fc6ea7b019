"""The calibration pass: one forward over the calibration batches collects what every observer needs.

Per layer input: exact minimum and maximum, overall, per batch and per channel, and a histogram with fixed logarithmic
bins from a seeded subsample. Memory doesn't grow with the number of samples.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from qdash.calibration.summaries import Calibration, LayerSummary, TensorSummary
from qdash.errors import ModelError
from qdash.instrument.arguments import inputs_of
from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import within_64_bits
from qdash.instrument.weights import effective_weight
from qdash.layers.base import LayerKind
from qdash.records.names import whole
from qdash.tensors.bin_counts import BinCounts, counting
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.channel_range import channel_range
from qdash.tensors.energy import energy
from qdash.tensors.layout import in_memory_order
from qdash.tensors.outputs import named_outputs
from qdash.tensors.samples import Batch
from qdash.tensors.trees import tensors

Counting = Callable[[torch.device], BinCounts]
# Of so many values, how many, number of the batch, device: where to look, (how many,) int64.
Places = Callable[[int, int, int, torch.device], Tensor]
VALUES_PER_BATCH = 1 << 15


class TensorObserver:
    """Accumulates the summary of one tensor on its device; nothing is fetched before `summary`."""

    def __init__(self, channel_axis: int, places: Places, counts: Counting):
        self._axis, self._places = channel_axis, places
        self._batches = 0
        self._ranges: Tensor | None = None  # one tensor: small ones kept by batch scatter over the heap
        self._new_counts: Counting = counts
        self._histogram: BinCounts | None = None
        self._channels: tuple[Tensor, Tensor] | None = None
        self._fraction: float | None = None

    def update(self, x: Tensor) -> None:
        """Adds one batch: a tensor of any shape and floating dtype."""
        if x.numel() == 0:
            return
        x = x.detach().float()
        low, high = channel_range(x, self._axis)
        self._keep_range(low.min(), high.max())
        if self._channels is None:
            self._channels = low.clone(), high.clone()
        elif self._channels[0].shape == low.shape:
            torch.minimum(self._channels[0], low, out=self._channels[0])
            torch.maximum(self._channels[1], high, out=self._channels[1])
        self._count(x)

    def summary(self) -> TensorSummary:
        """Everything as NumPy; of a tensor that was never seen all is zero and there are no batches."""
        nothing = torch.zeros(1)
        lows, highs = (nothing[:0], nothing[:0]) if self._ranges is None else self._ranges[:, : self._batches]
        histogram = self._histogram or self._new_counts(nothing.device)
        bins, counts = histogram.used()
        channels = self._channels or (nothing, nothing)
        return TensorSummary(
            minimum=_array(lows.min() if len(lows) else nothing[0]),
            maximum=_array(highs.max() if len(highs) else nothing[0]),
            batch_minimum=_array(lows),
            batch_maximum=_array(highs),
            bins=bins,
            counts=counts,
            channel_minimum=_array(channels[0]),
            channel_maximum=_array(channels[1]),
        )

    def _keep_range(self, low: Tensor, high: Tensor) -> None:
        if self._ranges is None:
            self._ranges = low.new_empty(2, 128)
        elif self._batches == self._ranges.shape[1]:
            self._ranges = torch.cat([self._ranges, torch.empty_like(self._ranges)], dim=1)
        self._ranges[0, self._batches], self._ranges[1, self._batches] = low, high
        self._batches += 1

    def _count(self, x: Tensor) -> None:
        if self._histogram is None:
            self._histogram = self._new_counts(x.device)
        if self._fraction is None:
            self._fraction = min(1.0, VALUES_PER_BATCH / x.numel())
        values = in_memory_order(x).reshape(-1)
        if self._fraction < 1:
            amount = max(1, round(self._fraction * x.numel()))
            values = values[self._places(x.numel(), amount, self._batches, x.device)]
        self._histogram.add((values.view(torch.int32) >> 16) & 0xFFFF)


def subsampling(seed: int) -> Places:
    """Where a batch is looked at: the same places in all tensors of one size, drawn once."""

    @lru_cache(maxsize=8)
    def places(values: int, amount: int, batch: int, device: torch.device) -> Tensor:
        generator = torch.Generator().manual_seed(within_64_bits(seed + 1_000_003 * batch))
        return torch.randint(values, (amount,), generator=generator).to(device)

    return places


def calibrate(
    instrument: Instrument,
    layers: Mapping[str, LayerKind],
    batches: Iterable[Batch],
    seed: int,
    between: Callable[[], None] = lambda: None,
) -> Calibration:
    """Runs the batches and returns the summaries; `between` is called after each batch and may raise to stop.

    Raises ModelError that names the first layer with a NaN or Inf in its input.
    """
    places, counts = subsampling(seed), counting(len(layers))
    observers = {
        name: _input_observers(kind, instrument.modules[whole(name)], places, counts) for name, kind in layers.items()
    }
    overrides = {
        whole(name): _watching(layers[name].inputs(instrument.modules[whole(name)]), found)
        for name, found in observers.items()
        if found
    }
    outputs: dict[str, Tensor] = {}
    with instrument.overriding(overrides):
        for batch in batches:
            _add_energies(outputs, instrument.run(batch.args, batch.kwargs))
            between()
    overrides.clear()  # with a thousand layers, what was counted isn't held beside its summary
    found = {}
    for name, kind in layers.items():
        inputs = {key: observer.summary() for key, observer in observers.pop(name).items()}
        for summary in inputs.values():
            if not np.isfinite([summary.minimum, summary.maximum]).all():
                raise ModelError(
                    f"{name}: its input holds NaN or Inf during calibration; check the data and the weights"
                )
        found[name] = LayerSummary(inputs, _weights(instrument.modules[whole(name)], kind, places, counts))
    return Calibration(found, {name: float(total) for name, total in outputs.items()})


def _add_energies(totals: dict[str, Tensor], output: object) -> None:
    for name, tensor in named_outputs(output).items():
        found = energy(tensor)
        totals[name] = totals[name] + found if name in totals else found


def _input_observers(kind: LayerKind, module: nn.Module, places: Places, counts: Counting) -> dict[str, TensorObserver]:
    names = [name for name in kind.inputs(module) if name and name not in kind.weight_inputs(module)]
    return {name: TensorObserver(kind.channel_axis(module), places, counts) for name in names}


def _watching(
    names: Sequence[str], observers: Mapping[str, TensorObserver]
) -> Callable[[Forward, Args, Kwargs], object]:
    def run(forward: Forward, args: Args, kwargs: Kwargs) -> object:
        given = inputs_of(names, args, kwargs)
        for name, observer in observers.items():
            tensor = next((t for t in tensors(given.get(name)) if t.is_floating_point()), None)
            if tensor is not None:
                observer.update(tensor)
        return forward(*args, **kwargs)

    return run


def _weights(module: nn.Module, kind: LayerKind, places: Places, counts: Counting) -> dict[str, TensorSummary]:
    found = {}
    for name, axis in kind.weights(module).items():
        observer = TensorObserver(axis, places, counts)
        observer.update(effective_weight(module, name))
        found[name] = observer.summary()
    return found


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
