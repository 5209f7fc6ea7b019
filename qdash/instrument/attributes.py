"""What a forward keeps outside buffers, found by looking before and after it, and put back around every pass."""

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import nn

from qdash.instrument.images import images, same

_ABSENT = object()
# What torch keeps in a module for itself, and what the instrument puts there.
_OF_TORCH = frozenset(vars(nn.Module())) - {"training"} | {"forward"}
_KEPT: "WeakKeyDictionary[nn.Module, Sequence[KeptAttribute]]" = WeakKeyDictionary()


class Place(NamedTuple):
    """A namespace that a forward can write to: a module's, its class's, its file's.

    names: which of its names count, None for all that are no code.
    """

    path: str
    owner: Any
    names: frozenset[str] | None = None

    def values(self) -> dict[str, Any]:
        """What is there now."""
        found = self.owner if isinstance(self.owner, dict) else vars(self.owner)
        return {key: found[key] for key in list(found) if self._counts(key, found[key])}

    def put(self, key: str, value: object) -> None:
        """Past whatever the owner does when an attribute is set."""
        if isinstance(self.owner, type):
            delattr(self.owner, key) if value is _ABSENT else setattr(self.owner, key, value)
            return
        found = self.owner if isinstance(self.owner, dict) else vars(self.owner)
        if value is _ABSENT:
            found.pop(key, None)
        else:
            found[key] = value

    def _counts(self, key: str, value: object) -> bool:
        if isinstance(self.owner, nn.Module):
            return key not in _OF_TORCH
        if self.names is not None and key not in self.names:
            return False
        code = isinstance(value, type | types.ModuleType) or callable(value) or hasattr(type(value), "__get__")
        return not code and not key.startswith("__")


class KeptAttribute:
    """One name of a place with all that can be reached from it, as it was."""

    def __init__(self, place: Place, key: str, value: object, own: frozenset[int], known: set[int] | None = None):
        """own: ids of what the model has registered, which is no state. known: ids of what another name holds."""
        self.name = f"{place.path}.{key}".lstrip(".")
        self._place, self._key, self._value, self._own = place, key, value, own
        known = set(own) if known is None else known
        if self.is_weight:
            known.discard(id(value))
        self._images = images(value, known)

    def changed(self) -> bool:
        """Whether it names something else, or what it names holds something else."""
        now = self._place.values().get(self._key, _ABSENT)
        return not same(now, self._value) or any(image.changed() for image in self._images)

    def restore(self) -> bool:
        """Whether there was something to undo."""
        if not self.changed():
            return False
        self._place.put(self._key, self._value)
        for image in self._images:
            image.restore()
        return True

    def again(self) -> "KeptAttribute":
        """The same name as it is now."""
        return KeptAttribute(self._place, self._key, self._place.values().get(self._key, _ABSENT), self._own)

    @property
    def is_weight(self) -> bool:
        """Whether it is a parameter."""
        return isinstance(self._value, nn.Parameter) and isinstance(self._place.owner, dict)

    @property
    def is_mode(self) -> bool:
        """Whether it is a module's training mode."""
        return self._key == "training" and isinstance(self._place.owner, nn.Module)


class Snapshot:
    """Everything that a forward of a model could write to, except buffers."""

    def __init__(self, model: nn.Module):
        modules = list(model.modules())
        tensors = [tensor for module in modules for tensor in (*module._parameters.values(), *module._buffers.values())]
        self._own = frozenset(map(id, (*modules, *tensors)))
        weights = [Place(path, module._parameters) for path, module in model.named_modules()]
        self._places, known = weights + list(_places(model)), set(self._own)
        self._kept = {
            (id(place.owner), key): KeptAttribute(place, key, value, self._own, known)
            for place in self._places
            for key, value in place.values().items()
        }

    def changed(self) -> list[KeptAttribute]:
        """What is not as it was, new names included."""
        new = [
            KeptAttribute(place, key, _ABSENT, self._own)
            for place in self._places
            for key in place.values()
            if (id(place.owner), key) not in self._kept
        ]
        return [kept for kept in self._kept.values() if kept.changed()] + new


@contextmanager
def keeping(model: nn.Module, attributes: Sequence[KeptAttribute]) -> Iterator[None]:
    """Every pass of the model inside the block begins with these as they were, and leaves them so."""
    _KEPT[model] = attributes
    try:
        yield
    finally:
        del _KEPT[model]


def kept_attributes(model: nn.Module) -> Sequence[KeptAttribute]:
    """Those that are being kept."""
    return _KEPT.get(model, ())


def _places(model: nn.Module) -> Iterator[Place]:
    classes: dict[type, None] = {}
    for path, module in model.named_modules():
        yield Place(path, module)
        classes |= dict.fromkeys(c for c in type(module).__mro__ if not _is_of_torch(c))
    for kind in classes:
        yield Place(kind.__qualname__.rpartition(".")[2], kind)
    for scope, names in _globals(classes):
        yield Place(str(scope.get("__name__", "")), scope, names)


def _globals(classes: Mapping[type, None]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """The namespaces of the files that define the classes, with the names that their methods use."""
    used: dict[int, tuple[dict[str, Any], set[str]]] = {}
    for kind in classes:
        for function in filter(None, map(_function, vars(kind).values())):
            scope = function.__globals__
            used.setdefault(id(scope), (scope, set()))[1].update(function.__code__.co_names)
    for scope, names in used.values():
        yield scope, frozenset(names)


def _function(value: object) -> types.FunctionType | None:
    inner = vars(value).get("__wrapped__", value) if hasattr(value, "__dict__") else value
    return inner if isinstance(inner, types.FunctionType) else None


def _is_of_torch(kind: type) -> bool:
    return kind is object or kind.__module__.partition(".")[0] in ("torch", "typing", "abc", "builtins")
