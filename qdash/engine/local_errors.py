"""A layer's local errors, taken on the way where the layer runs anyway."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from qdash.engine.bench import Bench
from qdash.engine.item import Item, Measured, Stopwatch
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.reading import Reading
from qdash.instrument.calls import Override
from qdash.instrument.random_state import RandomState
from qdash.spec.setting import Setting
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.energy import energy, noise
from qdash.tensors.sums import Sums
from qdash.tensors.trees import first_float

_SUMS = (
    "output_signal",
    "output_noise",
    "output_count",
    "input_signal",
    "input_noise",
    "weights_only_noise",
    "inputs_only_noise",
)


def local_sums(device: torch.device) -> Sums:
    """For a layer's own errors: energies of its output, its input and what is lost of them, and the output's size."""
    return Sums(_SUMS, device)


class LocalErrors:
    """Sums of a layer's own errors, FP32 input given, over its calls on one batch."""

    def __init__(self, device: torch.device) -> None:
        self.sums = local_sums(device)

    def add(
        self,
        quantizer: LayerQuantizer,
        forward: Forward,
        args: Args,
        kwargs: Kwargs,
        expected: Tensor,
        signal: Tensor,
    ) -> object:
        """Runs the layer quantized, and once more with weights only and inputs only where both apply.

        `expected`, `signal`: the FP32 output of this call, of any shape, and its energy, a float64 scalar. Returns the
        quantized output.
        """
        changed_args, changed_kwargs = quantizer.quantized_arguments(args, kwargs)
        with quantizer.quantized_weights():
            output = forward(*changed_args, **changed_kwargs)
        lost = noise(expected, output_tensor(output))
        self.sums.add("output_signal", signal)
        self.sums.add("output_noise", lost)
        self.sums.add("output_count", float(expected.numel()))
        if not quantizer.quantizes_input:
            self.sums.add("weights_only_noise", lost)
            return output
        self._add_inputs(quantizer.inputs(args, kwargs), quantizer.inputs(changed_args, changed_kwargs))
        if not quantizer.weights:
            self.sums.add("inputs_only_noise", lost)
            return output
        with quantizer.quantized_weights():
            self.sums.add("weights_only_noise", noise(expected, output_tensor(forward(*args, **kwargs))))
        self.sums.add("inputs_only_noise", noise(expected, output_tensor(forward(*changed_args, **changed_kwargs))))
        return output

    def _add_inputs(self, given: dict[str, object], changed: dict[str, object]) -> None:
        for name, value in given.items():
            before, after = first_float(value), first_float(changed[name])
            if before is not None and after is not None:
                self.sums.add("input_signal", energy(before))
                self.sums.add("input_noise", noise(before, after))


def measured_with_local_errors(
    bench: Bench, item: Item, output: Callable[[Bench, Item, Mapping[str, Override]], Reading]
) -> Measured:
    """The model-output comparison of one item, with the local errors of the layer.

    The first call of the layer in the quantized pass has its FP32 input, so a layer that is called once is measured in
    that pass; one that is called several times is measured on its kept FP32 inputs.
    """
    with Stopwatch() as watch:
        quantizers, draws = bench.quantizers.of(item), bench.recorder.draws
        overrides = bench.quantizers.only(item)
        calls = bench.calls(item.layer)
        if len(calls) == 1:
            local, site = LocalErrors(bench.device), bench.tape.slots[calls[0]].name
            (expected,), (signal,) = bench.fp32.outputs(site), bench.fp32.energies(site)

            def override(forward: Forward, args: Args, kwargs: Kwargs) -> object:
                forward = _repeatable(forward, RandomState.now() if draws else None)
                return local.add(quantizers[site], forward, args, kwargs, expected, signal)

            reached, sums = output(bench, item, overrides | {site: override}), local.sums.found()
        else:
            sums, reached = local_errors(bench, item), output(bench, item, overrides)
        bench.check_replay(item, reached)
        found = bench.compared(reached)
    return Measured(sums | bench.quantizers.weight_sums(item), found, watch.seconds)


def local_errors(bench: Bench, item: Item) -> dict[str, Tensor]:
    """From the layer's kept FP32 inputs; its forward is run, not the model's. Name of `_SUMS` → float64 scalar."""
    local, state = LocalErrors(bench.device), RandomState.now() if bench.recorder.draws else None
    for site, quantizer in bench.quantizers.of(item).items():
        forward = bench.instrument.forward_of(site)
        calls, expected = bench.tape.calls.get(site, ()), bench.fp32.outputs(site)
        for position, output, signal in zip(calls, expected, bench.fp32.energies(site), strict=True):
            slot = bench.tape.slots[position]
            args, kwargs = slot.inputs
            local.add(quantizer, _repeatable(forward, slot.random_before), args, kwargs, output, signal)
    if state is not None:
        state.restore()
    return local.sums.found()


def before_training(bench: Bench, item: Item) -> dict[str, Tensor]:
    """Of a layer that was fine-tuned: `ptq_noise`, `ptq_kl`, `ptq_outcome` without that; else nothing.

    (samples,) float64 each.
    """
    if not is_trained(item.setting):
        return {}
    untrained = bench.quantizers.only(Item(item.layer, item.setting.untrained))
    found = bench.compared(bench.replay(untrained, item.layer))
    return {f"ptq_{name}": found[name] for name in ("noise", "kl", "outcome") if name in found}


def is_trained(setting: Setting) -> bool:
    """Whether layers are fine-tuned before they are measured."""
    return setting != setting.untrained


def local_work(bench: Bench, layer: str) -> float:
    """Multiply-accumulates of the attribution: weights only and inputs only, where both apply."""
    quantizer = bench.quantizers.at(layer, bench.settings[0])
    both = quantizer.quantizes_input and quantizer.kind.weights(quantizer.module)
    return 2 * bench.work_inside(layer) if both else 0.0


def output_tensor(output: object) -> Tensor:
    """The first floating tensor that a layer returned, of any shape."""
    found = first_float(output)
    assert found is not None, "a quantizable layer returns a floating tensor"
    return found


def _repeatable(forward: Forward, state: RandomState | None) -> Forward:
    """A forward that draws the same random numbers each time."""
    if state is None:
        return forward

    def repeated(*args: object, **kwargs: object) -> object:
        state.restore()
        return forward(*args, **kwargs)

    return repeated
