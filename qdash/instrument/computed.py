"""Weights that a layer's forward computes: what its products really receive, and how to hand them another tensor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from qdash.errors import ModelError
from qdash.tensors.call import Args, Call, Kwargs

_RECEIVED = "forward computes the weight: what its product receives is quantized"
_RAW = "forward changes the weight before it uses it, each time another way: the raw parameter is quantized"


class Operand(NamedTuple):
    """An argument of a product. known: only a weight stands there. right: of a matrix product, outputs last."""

    position: int
    name: str = ""
    known: bool = False
    right: bool = False


_WITH_WEIGHT = (
    *(F.linear, F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    *(F.embedding, F.embedding_bag),
)
_PLACES: dict[object, tuple[Operand, ...]] = {
    **dict.fromkeys(_WITH_WEIGHT, (Operand(1, "weight", known=True),)),
    **dict.fromkeys(
        (torch.matmul, Tensor.matmul, Tensor.__matmul__), (Operand(1, "other", right=True), Operand(0, "input"))
    ),
    **dict.fromkeys((torch.mm, Tensor.mm), (Operand(1, "mat2", right=True), Operand(0, "input"))),
    **dict.fromkeys((torch.addmm, Tensor.addmm), (Operand(2, "mat2", right=True), Operand(1, "mat1"))),
    torch.einsum: (Operand(2), Operand(1)),
}


@dataclass
class Received:
    """An operand of a product that is not the registered weight, laid out like it. operation: what it is called."""

    weight: Tensor
    operation: str = ""


@dataclass(frozen=True)
class ComputedWeight:
    """The weight that takes the place of the registered one at `path`; None where it is another at each call.

    axis: of its channels.
    """

    path: str
    axis: int
    weight: Tensor | None

    @property
    def note(self) -> str:
        """What is said of the layer."""
        return _RAW if self.weight is None else _RECEIVED

    def agreed(self, other: "ComputedWeight") -> "ComputedWeight":
        """Of two calls: the same weight, or none."""
        alike = self.weight is not None and other.weight is not None and _same(self.weight, other.weight)
        return self if alike else ComputedWeight(self.path, self.axis, None)

    @contextmanager
    def replaced(self, tensor: Tensor) -> Iterator[None]:
        """Products inside the block receive `tensor`, of the weight's shape, instead of the weight.

        Raises ModelError where none receives it any more.
        """
        assert self.weight is not None, "a weight that changes is exchanged as it is registered"
        with _Replacing(self.weight, tensor, self.axis) as replacing:
            yield
        if not replacing.done:
            raise ModelError("a layer's forward computes its weight anew, from its input; leave it out with --layers")


def computed_weight(module: nn.Module) -> ComputedWeight | None:
    """Of an instrumented module whose forward computes its weight."""
    found: ComputedWeight | None = getattr(vars(module).get("forward"), "computed", None)
    return found


class WeightWatch(TorchFunctionMode):
    """Sees what the products of one forward receive.

    registered, axis: the layer's own weight and its channel axis. direct: whether the layer's own code runs now, not
    that of a module inside. is_own: whether a product with the registered weight runs now. as_registered: whether any
    did. current, received: the other operands that may be weights, of the product that runs now, and of all.
    """

    def __init__(self, registered: Tensor, axis: int, direct: Callable[[], bool]):
        super().__init__()
        self._registered, self._axis, self._direct = registered, axis, direct
        self.is_own = self.as_registered = False
        self.current: list[Received] = []
        self.received: list[Received] = []

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        """See `torch.overrides.TorchFunctionMode`."""
        kwargs = kwargs or {}
        found = list(_operands(func, args, kwargs, self._axis)) if self._direct() else []
        self.is_own = any(self._is_registered(weight) for _, weight in found)
        self.current = [Received(w) for place, w in found if not self.is_own and self._may_be_weight(place, w)]
        self.as_registered |= self.is_own
        self.received += self.current
        try:
            return func(*args, **kwargs)
        finally:
            self.is_own, self.current = False, []

    def own(self) -> list[Received]:
        """What stands for the registered weight: of its shape, or, where nothing is, whatever is a weight."""
        fitting = [each for each in self.received if each.weight.shape == self._registered.shape]
        return [] if self.as_registered else fitting or self.received

    def _is_registered(self, weight: Tensor) -> bool:
        """The same memory, or, as parametrizations and hooks compute it anew, the same values."""
        return _memory(weight) == _memory(self._registered) or _same(weight, self._registered)

    def _may_be_weight(self, place: Operand, weight: Tensor) -> bool:
        return place.known or weight.shape == self._registered.shape


def constant(first: WeightWatch, second: WeightWatch) -> Tensor | None:
    """The one weight that two forwards with different inputs received alike, like the registered one in layout."""
    again = second.own()
    found = [each.weight for each in first.own() if any(_same(each.weight, other.weight) for other in again)]
    alike = bool(found) and all(_same(weight, found[0]) for weight in found)
    return found[0].detach().clone() if alike else None


class _Replacing(TorchFunctionMode):
    def __init__(self, weight: Tensor, tensor: Tensor, axis: int):
        super().__init__()
        self._weight, self._tensor, self._axis = weight, tensor, axis
        self.done = False

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        kwargs = kwargs or {}
        for place, weight in _operands(func, args, kwargs, self._axis):
            if _same(weight, self._weight):
                self.done = True
                args, kwargs = _with(args, kwargs, place, _laid_out(self._tensor, place, self._axis))
        return func(*args, **kwargs)


def _operands(func: Callable[..., object], args: Args, kwargs: Kwargs, axis: int) -> Iterator[tuple[Operand, Tensor]]:
    """The places of a product with what stands there, laid out like a weight with such a channel axis."""
    for place in _PLACES.get(func, ()) if callable(func) else ():
        given = args[place.position] if place.position < len(args) else kwargs.get(place.name)
        if isinstance(given, Tensor) and given.is_floating_point():
            yield place, _laid_out(given, place, axis)


def _laid_out(weight: Tensor, place: Operand, axis: int) -> Tensor:
    return weight.mT if place.right and axis == 0 and weight.dim() == 2 else weight


def _with(args: Args, kwargs: Kwargs, place: Operand, tensor: Tensor) -> Call:
    if place.position < len(args):
        return (*args[: place.position], tensor, *args[place.position + 1 :]), kwargs
    return args, {**kwargs, place.name: tensor}


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and first.dtype == second.dtype and torch.equal(first, second)
