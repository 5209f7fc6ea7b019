"""Gradients at every layer's input and output, from one recorded forward and any number of backward passes.

What is kept is the place in the graph, not the tensor: in-place operations that follow change the tensor, and with it
what a gradient taken at it would mean.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from qdash.errors import ModelError
from qdash.instrument.calls import Instrument, Override
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.layout import aligned
from qdash.tensors.trees import map_tensors, tensors

Edges = list[list[GradientEdge | None]]  # per call, per floating tensor; None where a tensor comes again
Gradients = list[list[Tensor | None]]  # per call, per floating tensor


class OverwrittenError(ModelError):
    """The forward wrote over what its backward pass needs."""


class EdgeCapture:
    """Overrides that remember where each layer's floating inputs and outputs stand in the graph.

    An input is seen through a view of its own, so that its gradient is what flows through this layer alone. Where
    nothing before the layer has a gradient (integer inputs), the graph begins at the layer.
    """

    def __init__(self, layers: Sequence[str]):
        self._layers = layers
        self.overwrites = False  # whether the model is known to write over what its backward pass needs
        self.writers: set[str] = set()  # the layers that write into their arguments
        self.inputs: dict[str, Edges] = {}
        self.outputs: dict[str, Edges] = {}

    def overrides(self) -> dict[str, Override]:
        """To be active while a forward is recorded."""
        return {name: self._override(name) for name in self._layers}

    def clear(self) -> None:
        """Forgets what was seen; called when a forward begins."""
        self.inputs, self.outputs = {}, {}

    def gradients(self, output: Tensor, cotangent: Tensor) -> tuple[dict[str, Gradients], dict[str, Gradients]]:
        """Jᵀ·cotangent at every layer's (inputs, outputs); None where nothing reaches the model's output.

        Raises OverwrittenError where the model overwrites what its own backward pass needs, ModelError where it has
        no gradients for another reason.
        """
        places = (self.inputs, self.outputs)
        edges = [e for where in places for calls in where.values() for call in calls for e in call if e is not None]
        try:
            with differentiable_recurrence():
                # A product, not `grad_outputs`: to compare its shape torch loads a computer algebra system.
                scalar = (output * cotangent).sum()
                found = torch.autograd.grad(scalar, edges, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:160]
            found_error = OverwrittenError if "inplace operation" in reason else ModelError
            raise found_error(f"the model has no gradients ({reason}); use --method one_at_a_time") from error
        parts: Iterator[Tensor | None] = iter(found)

        def shaped(where: Mapping[str, Edges]) -> dict[str, Gradients]:
            return {n: [[e and next(parts) for e in call] for call in calls] for n, calls in where.items()}

        return shaped(self.inputs), shaped(self.outputs)

    def _override(self, name: str) -> Override:
        def override(forward: Forward, args: Args, kwargs: Kwargs) -> object:
            given, returned = _Edges(), _Edges(view=False)
            args, kwargs = map_tensors(given.see, (args, kwargs))
            self.inputs.setdefault(name, []).append(given.edges)
            before = [tensor._version for tensor in tensors([args, kwargs])]
            output = forward(*args, **kwargs)
            if before != [tensor._version for tensor in tensors([args, kwargs])]:
                self.writers.add(name)
            output = map_tensors(returned.see, output)
            self.outputs.setdefault(name, []).append(returned.edges)
            return output

        return override


@contextmanager
def differentiating(instrument: Instrument) -> Iterator[None]:
    """Forwards inside the block keep their graph; parameters don't require gradients, only activations do."""
    parameters = [p for p in instrument.model.parameters() if p.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        instrument.keeps_graph = True
        yield
    finally:
        instrument.keeps_graph = False
        for parameter in parameters:
            parameter.requires_grad_(True)


def products(
    gradients: Mapping[str, Gradients], differences: Mapping[str, Sequence[Sequence[Tensor]]], samples: int
) -> Tensor | None:
    """g·δ summed over a layer's modules, calls and tensors: (samples,) float64, or (1,) without a known sample axis.

    None where no gradient reaches the layer: it has exactly no effect.
    """
    total: Tensor | None = None
    for site, calls in differences.items():
        for call, deltas in zip(gradients.get(site, []), calls, strict=True):
            for gradient, delta in zip(call, deltas, strict=True):
                if gradient is not None:
                    found = _by_sample(gradient, delta, samples)
                    total = found if total is None else _joined(total, found)
    return total


def floating(tree: object) -> list[Tensor]:
    """The tensors whose edges were remembered, of any shape, in the same order."""
    return [t for t in tensors(tree) if t.is_floating_point()]


class _Edges:
    """Remembers the edges of one call's tensors. One that comes twice stays one (attention tells by that whether query,
    key and value are the same) and is counted once."""

    def __init__(self, view: bool = True):
        self.edges: list[GradientEdge | None] = []
        self._view = view
        self._known: dict[int, tuple[Tensor, Tensor]] = {}  # holding the original keeps its id its own

    def see(self, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        if id(tensor) in self._known:
            self.edges.append(None)
            return self._known[id(tensor)][1]
        seen = tensor
        if not torch.is_grad_enabled():  # the model hides what follows
            self.edges.append(None)
            return tensor
        if not tensor.requires_grad:
            seen = tensor.detach().requires_grad_().clone()  # a copy may be written to, a leaf may not
        elif self._view:
            seen = tensor.view_as(tensor)
        self._known[id(tensor)] = tensor, seen
        self.edges.append(get_gradient_edge(seen))
        return seen


def _by_sample(gradient: Tensor, delta: Tensor, samples: int) -> Tensor:
    axis = next((a for a in (0, 1) if delta.dim() > a and delta.shape[a] == samples), None)
    if axis is None:
        return (gradient * delta).double().sum().reshape(1)
    if axis == 1:
        gradient, delta = gradient.transpose(0, 1), delta.transpose(0, 1)
    gradient, delta = aligned(gradient, delta, leading=1)
    rows: Tensor = torch.linalg.vecdot(gradient.reshape(samples, -1), delta.reshape(samples, -1))
    return rows.double()


def _joined(first: Tensor, second: Tensor) -> Tensor:
    return first + second if first.shape == second.shape else (first.sum() + second.sum()).reshape(1)


@contextmanager
def differentiable_recurrence() -> Iterator[None]:
    """cuDNN's recurrent kernels have no backward in evaluation mode; torch's own have."""
    with torch.backends.cudnn.flags(enabled=False):
        yield
