"""A model in evaluation mode, and as it was afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from qdash.errors import ModelError
from qdash.faults import described


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every module in evaluation mode inside the block (no dropout, BatchNorm from its running statistics).

    Also where a module's own `train` or `eval` would leave it in training mode. Raises ModelError where it can't be.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        try:
            model.eval()
        except Exception as error:
            raise ModelError(f"the model can't be put into evaluation mode: {described(error)}") from error
        for module in model.modules():
            module.training = False
        if stays := [name or "the model" for name, module in model.named_modules() if module.training]:
            raise ModelError(f"{stays[0]} stays in training mode; let its attribute `training` be set")
        yield
    finally:
        for module, training in modes:
            module.training = training
