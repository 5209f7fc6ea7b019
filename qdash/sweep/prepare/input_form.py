"""Inputs in the floating type that a model computes in."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from qdash.tensors.call import Call
from qdash.tensors.samples import Batch
from qdash.tensors.trees import map_tensors, tensors


def in_the_models_dtype(model: nn.Module, batch: Batch) -> Callable[[Call], Call] | None:
    """What converts floating inputs of any shape to the type of the model's weights; None where all have it."""
    wanted = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    given = {t.dtype for t in tensors([batch.args, batch.kwargs]) if t.is_floating_point()}
    if wanted is None or not given - {wanted}:
        return None
    return partial(_converted, dtype=wanted)


def conversion(given: Batch, taken: Batch) -> str:
    """A note of what was converted, whatever the shapes."""
    before, after = (list(tensors([batch.args, batch.kwargs])) for batch in (given, taken))
    kinds = {(str(a.dtype)[6:], str(b.dtype)[6:]) for a, b in zip(before, after, strict=True) if a.dtype != b.dtype}
    shown = ", ".join(f"{a} to the model's {b}" for a, b in sorted(kinds))
    return f"inputs were converted from {shown}"


def _converted(tree: Call, dtype: torch.dtype) -> Call:
    return map_tensors(partial(_floating, dtype=dtype), tree)


def _floating(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
