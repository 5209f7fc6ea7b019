"""A layer's local errors, taken on the way where the layer runs anyway."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qdash.bench import Bench, Item, Measured, Stopwatch, weight_sums
from qdash.energy import energy, noise
from qdash.instrument import Forward, Override
from qdash.quantizer import LayerQuantizer
from qdash.spec import Setting
from qdash.trees import first_float


class LocalErrors:
    """Sums of a layer's own errors, FP32 input given, over its calls on one batch."""

    def __init__(self, quantizer: LayerQuantizer):
        self.quantizer = quantizer
        self.sums: dict[str, Tensor] = {}

    def add(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Tensor) -> Any:
        """Runs the layer quantized, and once more with weights only and inputs only where both apply.

        `expected`: the FP32 output of this call. Returns the quantized output.
        """
        quantizer = self.quantizer
        changed_args, changed_kwargs = quantizer.quantized_arguments(args, kwargs)
        with quantizer.quantized_weights():
            output = forward(*changed_args, **changed_kwargs)
        lost = noise(expected, output_tensor(output))
        self._add("output_signal", energy(expected))
        self._add("output_noise", lost)
        self._add("output_count", torch.tensor(float(expected.numel()), dtype=torch.float64, device=expected.device))
        if not quantizer.quantizes_input:
            self._add("weights_only_noise", lost)
            return output
        with quantizer.quantized_weights():
            self._add("weights_only_noise", noise(expected, output_tensor(forward(*args, **kwargs))))
        self._add("inputs_only_noise", noise(expected, output_tensor(forward(*changed_args, **changed_kwargs))))
        given, changed = _first(args, kwargs), _first(changed_args, changed_kwargs)
        if given is not None and changed is not None:
            self._add("input_signal", energy(given))
            self._add("input_noise", noise(given, changed))
        return output

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums[name] + value if name in self.sums else value


def measured_with_local_errors(bench: Bench, item: Item, output: Callable[[Bench, Item, Override], Tensor]) -> Measured:
    """The model-output comparison of one item, with the local errors of the layer.

    The first call of the layer in the quantized pass has its FP32 input, so a layer that is called once is measured in
    that pass; one that is called several times is measured on its kept FP32 inputs.
    """
    with Stopwatch() as watch:
        quantizer = bench.quantizer(item.layer, item.setting)
        if len(bench.tape.calls.get(item.layer, ())) == 1:
            local = LocalErrors(quantizer)
            (expected,) = bench.references(item.layer)

            def override(forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
                return local.add(forward, args, kwargs, expected)

            found = bench.compared(output(bench, item, override))
        else:
            local = local_errors(bench, item)
            found = bench.compared(output(bench, item, quantizer.run))
    return Measured(local.sums | weight_sums(quantizer), found, watch.seconds)


def local_errors(bench: Bench, item: Item) -> LocalErrors:
    """From the layer's kept FP32 inputs; its forward is run, not the model's."""
    local = LocalErrors(bench.quantizer(item.layer, item.setting))
    forward = bench.instrument.forward_of(item.layer)
    for position, expected in zip(bench.tape.calls.get(item.layer, ()), bench.references(item.layer), strict=True):
        args, kwargs = bench.tape.slots[position].inputs
        local.add(forward, args, kwargs, expected)
    return local


def before_training(bench: Bench, item: Item) -> dict[str, Tensor]:
    """Of a layer that was fine-tuned: `ptq_noise`, `ptq_kl`, `ptq_outcome` per sample without that; else nothing."""
    if not is_trained(item.setting):
        return {}
    quantizer = bench.quantizer(item.layer, item.setting.untrained)
    found = bench.compared(bench.replay({item.layer: quantizer.run}, item.layer))
    return {f"ptq_{name}": found[name] for name in ("noise", "kl", "outcome") if name in found}


def is_trained(setting: Setting) -> bool:
    """Whether layers are fine-tuned before they are measured."""
    return setting != setting.untrained


def local_work(bench: Bench, layer: str) -> float:
    """Multiply-accumulates of the attribution: weights only and inputs only, where both apply."""
    quantizer = bench.quantizer(layer, bench.settings[0])
    return 2 * bench.work_inside(layer) if quantizer.quantizes_input else 0.0


def output_tensor(output: Any) -> Tensor:
    """The floating tensor that a layer returned."""
    found = first_float(output)
    assert found is not None, "a quantizable layer returns a floating tensor"
    return found


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    return first_float(args[0] if args else next(iter(kwargs.values()), None))
