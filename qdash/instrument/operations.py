"""Sees functional operations that carry quantized activations in static INT8, as if each were the call of a module."""

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from qdash.tensors.call import Args, Forward, Kwargs

# What sees an operation: gets its kind, a function that runs it, its arguments and keyword arguments.
Present = Callable[[str, Forward, Args, Kwargs], object]


class Kind(NamedTuple):
    """What an operation's inputs are called, in the order of its arguments; "" is a place that is no input."""

    name: str
    inputs: tuple[str, ...]
    weight: str = ""  # the input that is a layer's weight, if any


_KINDS = (
    (Kind("matmul", ("input", "other")), ("matmul",), (torch.Tensor.__matmul__,)),
    (Kind("matmul", ("input", "mat2")), ("mm", "bmm"), (torch.spmm,)),
    (Kind("addmm", ("", "mat1", "mat2")), ("addmm",), ()),
    (Kind("baddbmm", ("", "batch1", "batch2")), ("baddbmm",), ()),
    (Kind("add", ("input", "other")), ("add",), (torch.Tensor.__add__,)),
    (Kind("einsum", ("", "first", "second")), (), (torch.einsum,)),
    (
        Kind("scaled_dot_product_attention", ("query", "key", "value")),
        (),
        (F.scaled_dot_product_attention,),
    ),
    (Kind("linear", ("input", "weight"), "weight"), (), (F.linear,)),
    (Kind("conv1d", ("input", "weight"), "weight"), (), (F.conv1d,)),
    (Kind("conv2d", ("input", "weight"), "weight"), (), (F.conv2d,)),
    (Kind("conv3d", ("input", "weight"), "weight"), (), (F.conv3d,)),
)


def _by_function() -> dict[object, Kind]:
    found: dict[object, Kind] = {}
    for kind, names, functions in _KINDS:
        found |= dict.fromkeys(functions, kind)
        found |= {getattr(place, name): kind for name in names for place in (torch, Tensor)}
    return found


_OPERATIONS = _by_function()
_IN_PLACE = {Tensor.add_: torch.add, Tensor.__iadd__: torch.add}
_ATTENTION = F.multi_head_attention_forward


class Operation(nn.Module):
    """Stands for a functional operation at one place of a model; can be called outside of the model's forward too."""

    def __init__(self, kind: Kind):
        super().__init__()
        self.kind = kind
        self.function: Forward

    def forward(self, *args: object, **kwargs: object) -> object:
        """The operation itself."""
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        """Which one."""
        return self.kind.name


class FunctionalCalls(TorchFunctionMode):
    """While active, hands every operation to `present`; inside of `present` it is not active.

    In-place additions are presented as additions whose result is then written: their operands stay as they were.
    """

    def __init__(self, present: Present):
        super().__init__()
        self._present = present

    def __torch_function__(self, func: Forward, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """See `torch.overrides.TorchFunctionMode`."""
        kwargs = kwargs or {}
        if func is _ATTENTION:
            with self:
                return _open_attention(*args, **kwargs)
        if func in _IN_PLACE and _is_residual(args):
            return args[0].copy_(self._present("add", _IN_PLACE[func], args, kwargs))
        kind = _OPERATIONS.get(func) if callable(func) else None
        if kind is None or "out" in kwargs or (kind.name == "add" and not _is_residual(args)):
            return func(*args, **kwargs)
        if kind.name == "einsum" and len(args) != 3:
            return func(*args, **kwargs)
        return self._present(kind.name, func, args, kwargs)


def kind_of(function: Forward) -> Kind:
    """Of a function that was presented."""
    return _OPERATIONS[function]


def _is_residual(args: Args) -> bool:
    """Two activations of one shape; a bias, a mask that is broadcast or a constant is none."""
    if len(args) < 2:
        return False
    first, second = args[:2]
    return (
        all(isinstance(t, Tensor) and t.is_floating_point() and not isinstance(t, nn.Parameter) for t in args[:2])
        and first.shape == second.shape
        and first.dim() >= 2
    )


def _without_own_dispatch(function: Any) -> Forward:
    """The same function, whose inner calls are seen: as it stands it is handed to a mode as a whole."""
    scope = {**function.__globals__, "has_torch_function": lambda _: False}
    copied = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


_open_attention = _without_own_dispatch(_ATTENTION)
