"""The gradient estimate of each layer's effect on the model's output, on the batch of a bench."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.bench import Bench, Item, Measured, Stopwatch
from qdash.energy import energy
from qdash.gradients import Gradients, OverwrittenError, floating, products
from qdash.instrument import Override
from qdash.quantizer import LayerQuantizer
from qdash.replay import Slot

ERROR, DIVERGENCE, LOSS = "noise", "kl", "loss_change"


@dataclass(frozen=True)
class Pass:
    """One backward pass: what its products estimate, and the gradients at every layer's inputs and outputs."""

    estimates: str
    inputs: dict[str, Gradients]
    outputs: dict[str, Gradients]


def estimated(bench: Bench, items: Sequence[Item], passes: int, kl_passes: int, loss_passes: int) -> Iterator[Measured]:
    """One Measured per item; the backward passes are run once per batch."""
    if "passes" not in bench.memo:
        bench.memo["passes"] = _all_passes(bench, plan(bench, passes, kl_passes, loss_passes))
    for item in items:
        with Stopwatch() as watch:
            differences = _differences(bench, item)
            if _reached(bench.memo["passes"], differences):
                found, variance = _estimates(bench, bench.memo["passes"], differences)
            else:
                found, variance = _measured(bench, item), {}
        yield Measured(differences.sums | bench.weight_sums(item) | variance, found, watch.seconds)


@dataclass(frozen=True)
class Differences:
    """Quantized minus FP32 of a layer's modules, per call and floating tensor, and the layer's local sums."""

    outputs: dict[str, list[list[Tensor]]]
    inputs: dict[str, list[list[Tensor]]]
    sums: dict[str, Tensor]


def plan(bench: Bench, passes: int, kl_passes: int, loss_passes: int) -> list[str]:
    """What each backward pass estimates; KL only where there are class scores, the loss only where there are labels."""
    has_classes = bench.reader.class_axis is not None
    return [ERROR] * passes + [DIVERGENCE] * (kl_passes * has_classes) + [LOSS] * (loss_passes * _has_loss(bench))


def _all_passes(bench: Bench, plan: Sequence[str]) -> list[Pass]:
    """A model that writes over what its backward pass needs is recorded once more, with copies of that kept."""
    assert bench.edges is not None, "the bench records gradients"
    if not bench.edges.overwrites:
        try:
            return _backward(bench, plan)
        except OverwrittenError:
            bench.edges.overwrites = True
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        bench.load(bench.batch, bench.batch_number)
        return _backward(bench, plan)


def _backward(bench: Bench, plan: Sequence[str]) -> list[Pass]:
    assert bench.edges is not None, "the bench records gradients"
    output = bench.differentiable_output()
    found = []
    for number, estimates in enumerate(plan):
        cotangent = _cotangent(bench, estimates, number)
        inputs, outputs = bench.edges.gradients(output, cotangent)
        bench.instrument.executed_macs += bench.tape.macs  # a backward to inputs counts as one forward
        found.append(Pass(estimates, inputs, outputs))
    return found


def _cotangent(bench: Bench, estimates: str, number: int) -> Tensor:
    reference = bench.reference
    seed = (bench.seed * 1_000_003 + bench.batch_number) * 64 + number
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, reference.shape, generator=generator).to(reference) * 2 - 1
    if estimates == ERROR:
        return signs
    p = torch.softmax(reference.double(), 1)
    if estimates == DIVERGENCE:  # A = diag(√p) − p√pᵀ has A·Aᵀ = diag(p) − p·pᵀ, the Fisher information of the scores
        roots = p.sqrt()
        positions = reference[0, 0].numel()  # KL is the mean over a sample's positions
        cotangent: Tensor = (roots * signs - p * (roots * signs).sum(1, keepdim=True)) / positions**0.5
        return cotangent.to(reference)
    assert bench.batch.target is not None
    hit: Tensor = torch.nn.functional.one_hot(bench.batch.target, reference.shape[1])
    expected: Tensor = p - (hit if hit.dim() == 2 else hit.movedim(-1, 1))
    return expected.to(reference)


def _has_loss(bench: Bench) -> bool:
    target = bench.batch.target
    return bench.reader.class_axis is not None and target is not None and not target.is_floating_point()


def _differences(bench: Bench, item: Item) -> Differences:
    found = Differences({}, {}, {})
    for site, quantizer in bench.quantizers(item.layer, item.setting).items():
        found.outputs[site], found.inputs[site] = [], []
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
    got_inputs, got = floating([changed_args, changed_kwargs]), floating(output)
    found.inputs[site].append([new - old for new, old in zip(got_inputs, given, strict=True)])
    found.outputs[site].append([new - old for new, old in zip(got, expected, strict=True)])
    _add(found.sums, "output", expected, found.outputs[site][-1])
    if quantizer.quantizes_input:
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


def _estimates(
    bench: Bench, passes: Sequence[Pass], differences: Differences
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Per sample: `noise` = (g·δ)², its part of weights and of inputs, `kl` = (g·δ)²/2 and `loss_change` = g·δ.

    And `noise_variance`: how far the random signs let the batch's noise stray, squared.
    """
    samples = bench.batch.size
    collected: dict[str, list[Tensor]] = {}
    for number in passes:
        whole, shared = _products(number.outputs, differences.outputs, samples, bench)
        from_inputs, _ = _products(number.inputs, differences.inputs, samples, bench)
        if number.estimates == ERROR:
            for key, value in (("noise", whole), ("inputs_noise", from_inputs), ("weights_noise", whole - from_inputs)):
                collected.setdefault(key, []).append(value.square())
        elif number.estimates == DIVERGENCE:
            collected.setdefault("kl", []).append(whole.square() / 2)
        else:
            collected.setdefault("loss_change", []).append(whole)
    means = {key: torch.stack(values).mean(0) for key, values in collected.items()}
    noise = torch.stack(collected["noise"])
    if shared:  # one draw for the whole batch
        noise = noise.sum(1, keepdim=True)
    return means, {"noise_variance": _variance(noise, bench.reference[0].numel())}


def _reached(passes: Sequence[Pass], differences: Differences) -> bool:
    """Whether a gradient arrives at every call of the layer."""
    calls = [call for site in differences.outputs for call in passes[0].outputs.get(site, [])]
    return all(any(gradient is not None for gradient in call) for call in calls)


def _measured(bench: Bench, item: Item) -> dict[str, Tensor]:
    """Without a gradient a layer has no effect, or one that the model hides (`torch.no_grad`, `detach`): replayed."""
    quantizers = bench.quantizers(item.layer, item.setting)
    overrides: dict[str, Override] = {site: quantizer.run for site, quantizer in quantizers.items()}
    found = bench.compared(bench.replay(overrides, item.layer))
    wanted = {ERROR: "noise", DIVERGENCE: "kl"}
    return {wanted[p.estimates]: found[wanted[p.estimates]] for p in bench.memo["passes"] if p.estimates in wanted}


def _variance(noise: Tensor, outputs: int) -> Tensor:
    """Of Σ over samples of the mean over passes, from (passes, samples) for so many output values per sample.

    Between passes where there are several. One pass tells by itself: for signs v, Var (v·a)² ≤ 2‖a‖⁴ and
    E (v·a)⁴ ≤ 3‖a‖⁴, both almost equalities where many outputs share the error, so two thirds of the square. With one
    output (v·a)² is ‖a‖² itself.
    """
    if len(noise) > 1:
        return noise.sum(1).var() / len(noise)
    return noise.square().sum() * (2 / 3 if outputs > 1 or noise.shape[1] == 1 else 0.0)


def _products(
    gradients: dict[str, Gradients], differences: dict[str, list[list[Tensor]]], samples: int, bench: Bench
) -> tuple[Tensor, bool]:
    """Per sample; and whether the sample axis isn't known, so that each has its share of the batch's total."""
    found = products(gradients, differences, samples)
    if found is None:
        return torch.zeros(samples, dtype=torch.float64, device=bench.reference.device), False
    if len(found) == samples:
        return found, False
    # The batch's total, squared, estimates the batch's energy.
    return (found / samples**0.5).expand(samples), True
