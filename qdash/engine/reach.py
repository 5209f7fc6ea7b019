"""Layers whose output can't reach what is judged: nothing that happens to them is seen, so nothing shows them safe."""

from collections.abc import Iterator

import torch
from torch import Tensor

from qdash.engine.bench import Bench, Recording
from qdash.errors import ModelError
from qdash.instrument.calls import Override
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.trees import map_tensors

_DRAWS = 2  # of noise; an argmax may by chance stay where it was


def without_path(bench: Bench) -> tuple[str, ...]:
    """Of the layers that the bench's batch calls, those that can't change what is judged.

    Where a gradient arrives there is a path. The others, behind an argmax or in a model that takes no gradients, are
    run with noise for output: what is judged then stays the same to the bit, or there is a path.
    """
    called = [layer for layer in bench.layers if bench.calls(layer)]
    connected = set(_connected(bench))
    return tuple(layer for layer in called if layer not in connected and not _is_felt(bench, layer))


def _connected(bench: Bench) -> Iterator[str]:
    """Layers at whose output a gradient arrives."""
    twin = bench.twin(Recording(gradients=True))
    try:
        twin.load(bench.batch, bench.batch_number)
        assert twin.edges is not None, "it records gradients"
        judged = twin.differentiable_output().judged
        if not judged.requires_grad:
            return
        _, outputs = twin.edges.gradients(judged, torch.ones_like(judged))
    except (ModelError, RuntimeError):  # no gradients to be had: noise will tell
        return
    finally:
        twin.unload()
    for layer in bench.layers:
        calls = (call for site in bench.sites(layer) for call in outputs.get(site, ()))
        if any(gradient is not None for call in calls for gradient in call):
            yield layer


def _is_felt(bench: Bench, layer: str) -> bool:
    """Whether noise in place of the layer's output changes what is judged."""
    for seed in range(_DRAWS):
        overrides: dict[str, Override] = {site: _noise(seed) for site in bench.sites(layer)}
        if not torch.equal(bench.replay(overrides, layer).judged.nan_to_num(), bench.reference.judged.nan_to_num()):
            return True
    return False


def _noise(seed: int) -> Override:
    generator = torch.Generator().manual_seed(seed)

    def drawn(output: Tensor) -> Tensor:
        if not output.is_floating_point():
            return output
        size = 10 * float(output.abs().max().nan_to_num()) + 1 if output.numel() else 1.0
        return output + size * torch.randn(output.shape, generator=generator).to(output)

    def override(forward: Forward, args: Args, kwargs: Kwargs) -> object:
        return map_tensors(drawn, forward(*args, **kwargs))

    return override
