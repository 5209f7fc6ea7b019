"""What a value holds, as it was at one moment, and how to put it back in place: tensors, containers, plain objects."""

import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

SIMPLE = (bool, int, float, complex, str, bytes, type(None))
# Objects of these libraries are not looked into: what lies in them is no state of a model.
_FOREIGN = (sys.stdlib_module_names | {"torch", "numpy"}) - {"argparse", "collections", "types"}
_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class Image(Protocol):
    """One object that can change in place."""

    def changed(self) -> bool: ...

    def restore(self) -> None: ...


class TensorImage:
    """A tensor's place in memory and its content."""

    def __init__(self, tensor: Tensor):
        self._tensor, self._place, self._content = tensor, tensor.detach(), tensor.detach().clone()

    def changed(self) -> bool:
        """By value: writes to `.data` leave no trace in the version."""
        moved = self._tensor.shape == self._place.shape and self._tensor.data_ptr() != self._place.data_ptr()
        return moved or not _same_bits(self._tensor, self._content)

    def restore(self) -> None:
        """The same memory again, with the old content."""
        self._place.copy_(self._content)
        if self._tensor.shape != self._place.shape or self._tensor.data_ptr() != self._place.data_ptr():
            self._tensor.data = self._place
        if self._tensor.grad_fn is not None and not self._tensor._is_view():  # of a pass that is over
            self._tensor.detach_()


class ArrayImage:
    """A NumPy array's content."""

    def __init__(self, array: np.ndarray):
        self._array, self._content = array, array.copy()

    def changed(self) -> bool:
        """By bytes."""
        return self._array.tobytes() != self._content.tobytes()

    def restore(self) -> None:
        """In place."""
        self._array[...] = self._content


class ItemsImage:
    """The items of a list, a deque, a set or a dictionary, as objects: what they hold has images of its own."""

    def __init__(self, container: Any):
        self._container, self._items = container, self._now(container)

    def changed(self) -> bool:
        """Whether other items are in it, or in another order."""
        now = self._now(self._container)
        return len(now) != len(self._items) or not all(map(same, now, self._items))

    def restore(self) -> None:
        """In place."""
        container, kind = self._container, _kind(self._container)
        kind.clear(container)
        if kind is dict:
            dict.update(container, zip(self._items[::2], self._items[1::2], strict=True))
        else:
            (kind.update if kind is set else kind.extend)(container, self._items)

    @staticmethod
    def _now(container: Any) -> list[Any]:
        if isinstance(container, dict):
            return [part for pair in dict.items(container) for part in pair]
        return list(container)


class SlotsImage:
    """The `__slots__` of an object."""

    def __init__(self, owner: object):
        self._owner, self._values = owner, dict(_slots(owner))

    def changed(self) -> bool:
        """Whether another object is in one."""
        now = dict(_slots(self._owner))
        return now.keys() != self._values.keys() or not all(same(now[key], self._values[key]) for key in now)

    def restore(self) -> None:
        """In place."""
        for key in dict(_slots(self._owner)).keys() - self._values.keys():
            object.__delattr__(self._owner, key)
        for key, value in self._values.items():
            object.__setattr__(self._owner, key, value)


class GeneratorImage:
    """Where a generator of random numbers stands that belongs to the model alone."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], object]):
        self._read, self._write, self._state = read, write, read()

    def changed(self) -> bool:
        """Whether something was drawn."""
        now = self._read()
        return not (torch.equal(now, self._state) if isinstance(now, Tensor) else now == self._state)

    def restore(self) -> None:
        """The same numbers come again."""
        self._write(self._state)


def images(value: object, known: set[int]) -> list[Image]:
    """Of everything that can change in place within a value; what is in `known` (by id) is not looked into again."""
    found: list[Image] = []
    held, pending = [], [value]  # what is held keeps its id its own
    while pending:
        value = pending.pop()
        if id(value) in known or isinstance(value, SIMPLE):
            continue
        known.add(id(value))
        held.append(value)
        found += _own_images(value)
        pending += _parts(value)
    return found


def same(one: object, other: object) -> bool:
    """Whether two values are one object, or equal where only their content counts: numbers, text, tensors."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same_bits(one, other)
    return isinstance(one, SIMPLE) and (one == other or (one != one and other != other))


def _same_bits(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    if not (_is_plain(one) and _is_plain(other)):
        return False
    bits = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (one, other))
    return torch.equal(*bits)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type != "meta" and not tensor.is_quantized


def _own_images(value: Any) -> Iterator[Image]:
    if isinstance(value, Tensor):
        if _is_plain(value):
            yield TensorImage(value)
    elif isinstance(value, np.ndarray):
        if value.dtype != object:
            yield ArrayImage(value)
    elif isinstance(value, torch.Generator):
        yield GeneratorImage(value.get_state, value.set_state)
    elif isinstance(value, random.Random):
        yield GeneratorImage(value.getstate, value.setstate)
    elif isinstance(value, np.random.Generator):
        bits = value.bit_generator
        yield GeneratorImage(lambda: bits.state, lambda state: setattr(bits, "state", state))
    elif _kind(value) is not None:
        yield ItemsImage(value)
    if _is_object(value) and next(_slots(value), None) is not None:
        yield SlotsImage(value)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, tuple | frozenset):
        return list(value)
    parts: list[Any] = []
    if (kind := _kind(value)) is not None:
        parts += dict.values(value) if kind is dict else value
    if _is_object(value):
        parts += [vars(value)] if hasattr(value, "__dict__") else []
        parts += [held for _, held in _slots(value)]
    return parts


def _kind(value: object) -> Any:
    return next((kind for kind in (list, dict, set, deque, bytearray) if isinstance(value, kind)), None)


def _is_object(value: object) -> bool:
    if isinstance(value, nn.Module):  # one that is not registered, in a plain list perhaps
        return True
    if isinstance(value, (*_CODE, *SIMPLE, Tensor, np.ndarray)):
        return False
    return type(value).__module__.partition(".")[0] not in _FOREIGN


def _slots(value: object) -> Iterator[tuple[str, Any]]:
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name, getattr(value, name)
