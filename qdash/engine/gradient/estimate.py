"""The gradient estimate of each layer's effect on the model's output, on the batch of a bench."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from qdash.engine.bench import Bench
from qdash.engine.gradient.differences import Differences, differences_of
from qdash.engine.gradient.passes import DIVERGENCE, ERROR, LOSS, Pass, plan, run_passes
from qdash.engine.item import Item, Measured, Stopwatch
from qdash.engine.tape.edges import Gradients, products
from qdash.tensors.sums import Sums


@dataclass
class Products:
    """g·δ of one item, filled pass by pass.

    values: (passes, 2, samples) float64: of the layer's outputs, and of its inputs alone. shared: the sample axis isn't
    known, so that each sample has its share of the batch's total. reached: whether a gradient arrives at every call.
    """

    values: Tensor
    shared: bool = False
    reached: bool = True


@dataclass
class _OfBatch:
    """What is known of the current batch: the gradients of all passes, or every item's estimate."""

    passes: list[Pass] = field(default_factory=list)
    estimates: dict[Item, Measured] = field(default_factory=dict)


def estimated(bench: Bench, items: Sequence[Item], passes: int, kl_passes: int, loss_passes: int) -> Iterator[Measured]:
    """One Measured per item; the backward passes are run once per batch.

    Either the gradients of all passes are held, or those of one pass at a time and the differences of all items:
    whichever is less. Under few settings that is the second.
    """
    planned = plan(bench, passes, kl_passes, loss_passes)
    way = _pass_by_pass if len(bench.settings) + 1 < len(planned) else _item_by_item
    return way(bench, items, planned)


def _item_by_item(bench: Bench, items: Sequence[Item], planned: Sequence[str]) -> Iterator[Measured]:
    if not bench.kept(_OfBatch).passes:
        found: list[Pass] = []
        run_passes(bench, planned, lambda _, each: found.append(each))
        bench.kept(_OfBatch).passes = found  # running them may have loaded the batch anew
    for item in items:
        with Stopwatch() as watch:
            differences, filled = differences_of(bench, item), _empty(bench, planned)
            for number, each in enumerate(bench.kept(_OfBatch).passes):
                _fill(filled, number, each, differences)
            measured = _concluded(bench, item, planned, filled, differences.sums)
        yield replace(measured, seconds=watch.seconds)


def _pass_by_pass(bench: Bench, items: Sequence[Item], planned: Sequence[str]) -> Iterator[Measured]:
    known = bench.kept(_OfBatch).estimates
    new = [item for item in items if item not in known]
    if new:
        known |= _all_at_once(bench, new, planned)
    yield from (known[item] for item in items)


def _all_at_once(bench: Bench, items: Sequence[Item], planned: Sequence[str]) -> dict[Item, Measured]:
    differences: dict[Item, Differences] = {}
    filled = {item: _empty(bench, planned) for item in items}
    seconds = dict.fromkeys(items, 0.0)

    def use(number: int, found: Pass) -> None:
        for item in items:
            with Stopwatch() as watch:
                if item not in differences:  # not before the first pass, which may have to record anew
                    differences[item] = differences_of(bench, item)
                _fill(filled[item], number, found, differences[item])
            seconds[item] += watch.seconds

    run_passes(bench, planned, use)
    sums = {item: differences.pop(item).sums for item in items}
    return {
        item: replace(_concluded(bench, item, planned, filled[item], sums[item]), seconds=seconds[item])
        for item in items
    }


def _empty(bench: Bench, planned: Sequence[str]) -> Products:
    return Products(torch.zeros(len(planned), 2, bench.batch.size, dtype=torch.float64, device=bench.device))


def _fill(filled: Products, number: int, found: Pass, differences: Differences) -> None:
    whole, from_inputs = filled.values[number]
    filled.shared |= _add(whole, found.outputs, differences.outputs)
    _add(from_inputs, found.inputs, differences.inputs)
    calls = [call for site in differences.outputs for call in found.outputs.get(site, [])]
    filled.reached &= all(any(gradient is not None for gradient in call) for call in calls)


def _add(values: Tensor, gradients: dict[str, Gradients], differences: dict[str, list[list[Tensor]]]) -> bool:
    """Per sample; returns whether the sample axis isn't known, so that each has its share of the batch's total."""
    samples = len(values)
    found = products(gradients, differences, samples)
    if found is None:
        return False
    is_shared = len(found) != samples
    # The batch's total, squared, estimates the batch's energy.
    values += found / samples**0.5 if is_shared else found
    return is_shared


def _concluded(bench: Bench, item: Item, planned: Sequence[str], filled: Products, sums: Sums) -> Measured:
    if filled.reached:
        found, variance = _estimates(planned, filled, bench.reference.judged[0].numel())
    else:
        found, variance = _measured(bench, item, planned), {}
    return Measured(sums.found() | bench.quantizers.weight_sums(item) | variance, found)


def _estimates(planned: Sequence[str], filled: Products, outputs: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Per sample: `noise` = (g·δ)², its part of weights and of inputs, `kl` = (g·δ)²/2 and `loss_change` = g·δ.

    And `noise_variance`: how far the random signs let the batch's noise stray, squared; for so many output values.
    """
    of = {what: filled.values[[number for number, kind in enumerate(planned) if kind == what]] for what in set(planned)}
    whole, from_inputs = of[ERROR].unbind(1)
    noise = whole.square()
    found = {
        "noise": noise.mean(0),
        "inputs_noise": from_inputs.square().mean(0),
        "weights_noise": (whole - from_inputs).square().mean(0),
    }
    if DIVERGENCE in of:
        found["kl"] = of[DIVERGENCE][:, 0].square().mean(0) / 2
    if LOSS in of:
        found["loss_change"] = of[LOSS][:, 0].mean(0)
    if filled.shared:  # one draw for the whole batch
        noise = noise.sum(1, keepdim=True)
    return found, {"noise_variance": _variance(noise, outputs)}


def _measured(bench: Bench, item: Item, planned: Sequence[str]) -> dict[str, Tensor]:
    """Without a gradient a layer has no effect, or one that the model hides (`torch.no_grad`, `detach`): replayed."""
    found = bench.compared(bench.replay(bench.quantizers.only(item), item.layer))
    return {key: found[key] for what, key in ((ERROR, "noise"), (DIVERGENCE, "kl")) if what in planned}


def _variance(noise: Tensor, outputs: int) -> Tensor:
    """Of Σ over samples of the mean over passes, from (passes, samples) for so many output values per sample.

    Between passes where there are several. One pass tells by itself: for signs v, Var (v·a)² ≤ 2‖a‖⁴ and
    E (v·a)⁴ ≤ 3‖a‖⁴, both almost equalities where many outputs share the error, so two thirds of the square. With one
    output (v·a)² is ‖a‖² itself.
    """
    if len(noise) > 1:
        return noise.sum(1).var() / len(noise)
    return noise.square().sum() * (2 / 3 if outputs > 1 or noise.shape[1] == 1 else 0.0)
