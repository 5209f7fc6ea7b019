"""What quantizing a layer changes at its outputs and inputs, its FP32 input given."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdash.engine.bench import Bench
from qdash.engine.item import Item
from qdash.engine.local_errors import local_sums
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.tape.edges import floating
from qdash.engine.tape.tape import Slot
from qdash.tensors.call import Args, Kwargs
from qdash.tensors.energy import energy
from qdash.tensors.sums import Sums
from qdash.tensors.trees import cloned


@dataclass(frozen=True)
class Differences:
    """Quantized minus FP32 of a layer's modules, per call and floating tensor, and the layer's local sums."""

    outputs: dict[str, list[list[Tensor]]]
    inputs: dict[str, list[list[Tensor]]]
    sums: Sums


@dataclass(frozen=True)
class _Inputs:
    """One call's quantized arguments and what that changed, the same for settings that differ in weights only.

    signal, noise: energies of the input and of the change; None where the layer has no floating input.
    """

    args: Args
    kwargs: Kwargs
    differences: list[Tensor]
    signal: Tensor | None = None
    noise: Tensor | None = None


@dataclass
class _LastLayer:
    """The layer that was asked for last on the current batch: by module, call and identity of its quantization."""

    layer: str = ""
    known: dict[Hashable, _Inputs] = field(default_factory=dict)


def differences_of(bench: Bench, item: Item) -> Differences:
    """From the layer's kept FP32 inputs and outputs on the batch of the bench; its forward is run, not the model's."""
    found = Differences({}, {}, local_sums(bench.device))
    for site, quantizer in bench.quantizers.of(item).items():
        found.outputs[site] = []
        if quantizer.quantizes_input:
            found.inputs[site] = []
        for call in range(len(bench.tape.calls.get(site, ()))):
            with torch.no_grad():
                _add_call(found, bench, item, site, call)
    return found


def _add_call(found: Differences, bench: Bench, item: Item, site: str, call: int) -> None:
    quantizer, slot = bench.quantizers.of(item)[site], bench.tape.slots[bench.tape.calls[site][call]]
    expected = floating(slot.output)
    # What stays is made before what comes and goes, else every layer would leave a hole in the heap.
    outputs = [torch.empty_like(tensor) for tensor in expected]
    inputs = _known_inputs(bench, item, site, call, slot)
    args, kwargs = inputs.args, inputs.kwargs
    if bench.edges is not None and site in bench.edges.writers:  # the next setting needs its arguments as they are
        args, kwargs = cloned((args, kwargs))
    with quantizer.quantized_weights():
        output = bench.instrument.forward_of(site)(*args, **kwargs)
    _subtract(floating(output), expected, outputs)
    found.outputs[site].append(outputs)
    if expected:  # the first tensor stands for the layer, as in the exact methods
        found.sums.add("output_signal", bench.fp32.energies(site)[call])
        found.sums.add("output_noise", energy(outputs[0]))
        found.sums.add("output_count", float(expected[0].numel()))
    if quantizer.quantizes_input:
        found.inputs[site].append(inputs.differences)
        if inputs.signal is not None and inputs.noise is not None:
            found.sums.add("input_signal", inputs.signal)
            found.sums.add("input_noise", inputs.noise)


def _known_inputs(bench: Bench, item: Item, site: str, call: int, slot: Slot) -> _Inputs:
    """From the item before, if it quantized this call's inputs in the same way."""
    if len(bench.settings) < 2:
        return _quantized_inputs(bench.quantizers.of(item)[site], slot)
    last = bench.kept(_LastLayer)
    if last.layer != item.layer:
        last.layer, last.known = item.layer, {}
    quantizer = bench.quantizers.of(item)[site]
    key = site, call, quantizer.input_identity
    if key not in last.known:
        last.known[key] = _quantized_inputs(quantizer, slot)
    return last.known[key]


def _quantized_inputs(quantizer: LayerQuantizer, slot: Slot) -> _Inputs:
    args, kwargs = slot.inputs
    if not quantizer.quantizes_input:
        return _Inputs(args, kwargs, [])
    given = floating([args, kwargs])
    differences = [torch.empty_like(tensor) for tensor in given]
    args, kwargs = quantizer.quantized_arguments(args, kwargs)
    _subtract(floating([args, kwargs]), given, differences)
    if not given:
        return _Inputs(args, kwargs, differences)
    return _Inputs(args, kwargs, differences, energy(given[0]), energy(differences[0]))


def _subtract(new: Sequence[Tensor], old: Sequence[Tensor], differences: Sequence[Tensor]) -> None:
    for minuend, subtrahend, difference in zip(new, old, differences, strict=True):
        torch.sub(minuend, subtrahend, out=difference)
