"""The backward passes of the gradient estimate on a bench's batch: what each estimates, from which cotangent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qdash.engine.bench import Bench
from qdash.engine.tape.edges import Gradients, OverwrittenError
from qdash.instrument.random_state import within_64_bits

ERROR, DIVERGENCE, LOSS = "noise", "kl", "loss_change"


@dataclass(frozen=True)
class Pass:
    """One backward pass: what its products estimate, and the gradients at every layer's inputs and outputs."""

    estimates: str
    inputs: dict[str, Gradients]
    outputs: dict[str, Gradients]


def plan(bench: Bench, passes: int, kl_passes: int, loss_passes: int) -> list[str]:
    """What each backward pass estimates; KL only where there are class scores, the loss only where there are labels."""
    has_classes = bench.reader.scores is not None
    return [ERROR] * passes + [DIVERGENCE] * (kl_passes * has_classes) + [LOSS] * (loss_passes * _has_loss(bench))


def run_passes(bench: Bench, planned: Sequence[str], use: Callable[[int, Pass], None]) -> None:
    """Hands one pass after the other, with its number, to `use`, which may keep it.

    A model that writes over what its backward pass needs is recorded once more, with copies of that kept.
    """
    assert bench.edges is not None, "the bench records gradients"
    if not bench.edges.overwrites:
        try:
            _backward(bench, planned, use)
            return
        except OverwrittenError:
            bench.edges.overwrites = True
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        bench.load(bench.batch, bench.batch_number)
        _backward(bench, planned, use)


def _backward(bench: Bench, planned: Sequence[str], use: Callable[[int, Pass], None]) -> None:
    assert bench.edges is not None, "the bench records gradients"
    output = bench.differentiable_output()
    for number, estimates in enumerate(planned):
        begin = output.judged if estimates == ERROR or output.scores is None else output.scores
        gradients = bench.edges.gradients(begin, _cotangent(bench, estimates, number))
        bench.instrument.executed_macs += bench.tape.macs  # a backward to inputs counts as one forward
        use(number, Pass(estimates, *gradients))
        del gradients  # before the next ones are there


def _cotangent(bench: Bench, estimates: str, number: int) -> Tensor:
    reading = bench.reference
    reference = reading.judged if estimates == ERROR or reading.scores is None else reading.scores
    seed = (bench.seed * 1_000_003 + bench.batch_number) * 64 + number
    generator = torch.Generator().manual_seed(within_64_bits(seed))
    signs = torch.randint(0, 2, reference.shape, generator=generator).to(reference) * 2 - 1
    if estimates == ERROR:
        return signs
    p = torch.softmax(reference.double(), 1)
    share = _share_of_position(bench, p)
    if estimates == DIVERGENCE:  # A = diag(√p) − p√pᵀ has A·Aᵀ = diag(p) − p·pᵀ, the Fisher information of the scores
        roots = p.sqrt()
        cotangent: Tensor = (roots * signs - p * (roots * signs).sum(1, keepdim=True)) * share.sqrt()
        return cotangent.to(reference)
    target = bench.batch.target
    assert target is not None, "a loss needs labels"
    valid = bench.reader.valid(target)
    known = target if valid is None else target.where(valid, 0)
    hit: Tensor = torch.nn.functional.one_hot(known, reference.shape[1])
    expected: Tensor = p - (hit if hit.dim() == 2 else hit.movedim(-1, 1))
    return (expected if valid is None else expected * valid.unsqueeze(1)).to(reference)


def _share_of_position(bench: Bench, p: Tensor) -> Tensor:
    """What a position counts in its sample's KL, the mean over those that count: (samples, 1, …) or a scalar."""
    target = bench.batch.target
    valid = bench.reader.valid(target)
    if valid is None or p.dim() == 2:
        return torch.tensor(1.0 / p[0, 0].numel(), dtype=p.dtype, device=p.device)
    counts = valid.flatten(1).sum(1).reshape(-1, *[1] * (valid.dim() - 1))
    return (valid / counts).unsqueeze(1)


def _has_loss(bench: Bench) -> bool:
    target = bench.batch.target
    return bench.reader.scores is not None and target is not None and not target.is_floating_point()
