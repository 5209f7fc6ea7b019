"""Convolution weights in channels-last order, where the processor's kernels are faster, for the time of an analysis.

torch carries the format on from a convolution's weight to its output. Measured by `python -m benchmarks.layouts`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qdash.errors import ModelError
from qdash.instrument.output_error import output_error
from qdash.tensors.call import Args, Kwargs
from qdash.tensors.trees import first_float

CONTIGUOUS, CHANNELS_LAST = "contiguous", "channels_last"


@contextmanager
def channels_last(model: nn.Module, args: Args, kwargs: Kwargs, reference: object) -> Iterator[str]:
    """The model with channels-last convolutions inside the block, if it can be run so; the format's name is yielded.

    One batch decides: the model must run (`view` needs its values in order) and must give `reference`, its output in
    the usual format, up to rounding. Elsewhere, on other devices and without such weights it stays as it is.
    """
    saved = {id(p): (p, p.data) for p in _weights(model)}
    try:
        for parameter, data in saved.values():
            parameter.data = torch.empty_like(data, memory_format=torch.channels_last).copy_(data)
        if saved and not _same(model, args, kwargs, reference):
            _restore(saved)
            saved = {}
        yield CHANNELS_LAST if saved else CONTIGUOUS
    finally:
        _restore(saved)


def _weights(model: nn.Module) -> list[nn.Parameter]:
    """Of two-dimensional convolutions on the processor. A patch embedding (its windows don't overlap) is left: it is
    flattened at once, which would cost more than is won."""
    layers = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    weights = (m._parameters.get("weight") for m in layers if m.kernel_size == (1, 1) or m.stride != m.kernel_size)
    return [w for w in weights if w is not None and w.dim() == 4 and w.device.type == "cpu" and w.is_floating_point()]


def _restore(saved: dict[int, tuple[nn.Parameter, Tensor]]) -> None:
    for parameter, data in saved.values():
        parameter.data = data


def _same(model: nn.Module, args: Args, kwargs: Kwargs, reference: object) -> bool:
    """Up to rounding in the output's own precision, in half precision up to a thousandth; a NaN is not the same."""
    expected = first_float(reference)
    if expected is None:
        return False
    try:
        error = output_error(model, reference, args, kwargs)
    except ModelError:
        return False
    return error <= min(100 * torch.finfo(expected.dtype).eps, 1e-3)
