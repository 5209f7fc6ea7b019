"""What quantizing a layer changes at its outputs and inputs, its FP32 input given."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.bench import Bench, Item
from qdash.energy import energy
from qdash.gradients import floating
from qdash.quantizer import LayerQuantizer
from qdash.replay import Slot


@dataclass(frozen=True)
class Differences:
    """Quantized minus FP32 of a layer's modules, per call and floating tensor, and the layer's local sums."""

    outputs: dict[str, list[list[Tensor]]]
    inputs: dict[str, list[list[Tensor]]]
    sums: dict[str, Tensor]


def differences_of(bench: Bench, item: Item) -> Differences:
    found = Differences({}, {}, {})
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
    changed_args, changed_kwargs = quantizer.quantized_arguments(args, kwargs)
    with quantizer.quantized_weights():
        output = bench.instrument.forward_of(site)(*changed_args, **changed_kwargs)
    given, expected = floating([args, kwargs]), floating(slot.output)
    found.outputs[site].append([new - old for new, old in zip(floating(output), expected, strict=True)])
    _add(found.sums, "output", expected, found.outputs[site][-1])
    if quantizer.quantizes_input:
        changed = floating([changed_args, changed_kwargs])
        found.inputs[site].append([new - old for new, old in zip(changed, given, strict=True)])
        _add(found.sums, "input", given, found.inputs[site][-1])


def _add(sums: dict[str, Tensor], name: str, signal: list[Tensor], noise: list[Tensor]) -> None:
    """The first tensor stands for the layer, as in the exact methods."""
    if signal:
        count = torch.tensor(float(signal[0].numel()), dtype=torch.float64, device=signal[0].device)
        found = {f"{name}_signal": energy(signal[0]), f"{name}_noise": energy(noise[0])}
        if name == "output":
            found["output_count"] = count
        for key, value in found.items():
            sums[key] = sums[key] + value if key in sums else value
