"""What quantizing a layer changes at its outputs and inputs, its FP32 input given."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.bench import Bench, Item
from qdash.energy import energy
from qdash.gradients import floating
from qdash.local_errors import local_sums
from qdash.quantizer import LayerQuantizer
from qdash.replay import Slot
from qdash.sums import Sums


@dataclass(frozen=True)
class Differences:
    """Quantized minus FP32 of a layer's modules, per call and floating tensor, and the layer's local sums."""

    outputs: dict[str, list[list[Tensor]]]
    inputs: dict[str, list[list[Tensor]]]
    sums: Sums


def differences_of(bench: Bench, item: Item) -> Differences:
    """From the layer's kept FP32 inputs and outputs on the batch of the bench; its forward is run, not the model's."""
    found = Differences({}, {}, local_sums(bench.reference.device))
    for site, quantizer in bench.quantizers(item.layer, item.setting).items():
        found.outputs[site] = []
        if quantizer.quantizes_input:
            found.inputs[site] = []
        for position in bench.tape.calls.get(site, ()):
            with torch.no_grad():
                _add_call(found, bench, site, quantizer, bench.tape.slots[position])
    return found


def _add_call(found: Differences, bench: Bench, site: str, quantizer: LayerQuantizer, slot: Slot) -> None:
    args, kwargs = slot.inputs
    given, expected = floating([args, kwargs]), floating(slot.output)
    # What stays is made before what comes and goes, else every layer would leave a hole in the heap.
    outputs = [torch.empty_like(tensor) for tensor in expected]
    inputs = [torch.empty_like(tensor) for tensor in given] if quantizer.quantizes_input else []
    changed_args, changed_kwargs = quantizer.quantized_arguments(args, kwargs)
    with quantizer.quantized_weights():
        output = bench.instrument.forward_of(site)(*changed_args, **changed_kwargs)
    _subtract(floating(output), expected, outputs)
    found.outputs[site].append(outputs)
    _add(found.sums, "output", expected, outputs)
    if expected:
        found.sums.add("output_count", float(expected[0].numel()))
    if quantizer.quantizes_input:
        _subtract(floating([changed_args, changed_kwargs]), given, inputs)
        found.inputs[site].append(inputs)
        _add(found.sums, "input", given, inputs)


def _subtract(new: Sequence[Tensor], old: Sequence[Tensor], differences: Sequence[Tensor]) -> None:
    for minuend, subtrahend, difference in zip(new, old, differences, strict=True):
        torch.sub(minuend, subtrahend, out=difference)


def _add(sums: Sums, name: str, signal: Sequence[Tensor], noise: Sequence[Tensor]) -> None:
    """The first tensor stands for the layer, as in the exact methods."""
    if signal:
        sums.add(f"{name}_signal", energy(signal[0]))
        sums.add(f"{name}_noise", energy(noise[0]))
