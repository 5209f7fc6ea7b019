"""Lazy layers (`nn.LazyLinear`, …): the first batch gives them their shapes."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from qdash.errors import ModelError
from qdash.faults import described, is_of_foreign_code
from qdash.instrument.random_state import seed_everything
from qdash.tensors.samples import Batch
from qdash.tensors.trees import cloned


def lazy_modules(model: nn.Module) -> list[str]:
    """Names of modules with weights that have no shape yet."""
    return [
        name or "the model"
        for name, module in model.named_modules()
        if any(is_lazy(tensor) for tensor in (*module._parameters.values(), *module._buffers.values()))
    ]


def give_shapes(model: nn.Module, batch: Batch, seed: int) -> list[str]:
    """One forward; weights that were not loaded are drawn by the seed. Returns notes; raises ModelError."""
    names = lazy_modules(model)
    if not names:
        return []
    seed_everything(seed)
    args, kwargs = cloned((batch.args, batch.kwargs))
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except BaseException as error:
        if not is_of_foreign_code(error):
            raise
        line = described(error)
        raise ModelError(f"{names[0]} is lazy and the first batch gives it no shape: {line}") from error
    if left := lazy_modules(model):
        raise ModelError(
            f"{left[0]} is lazy and not called by the first batch; call it once before you return the model"
        )
    return [f"{', '.join(names)}: lazy, shaped by the first batch, with weights drawn by --seed"]
