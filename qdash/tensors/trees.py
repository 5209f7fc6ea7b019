"""Tensors inside nested inputs and outputs: tuples, lists, dictionaries, named tuples, dataclasses."""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from torch import Tensor

Tree = TypeVar("Tree")


def tensors(tree: object) -> Iterator[Tensor]:
    """All tensors, of any shape and dtype, in a fixed order."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from tensors(value)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            yield from tensors(getattr(tree, field.name))


def map_tensors(function: Callable[[Tensor], Tensor], tree: Tree) -> Tree:
    """The same structure with every tensor replaced; everything else is handed through."""
    mapped: Tree = _mapped(function, tree)
    return mapped


def cloned(tree: Tree) -> Tree:
    """The same structure with copies of its tensors, for a forward that may write into its input."""
    return map_tensors(Tensor.clone, tree)


def first_float(tree: object) -> Tensor | None:
    """The tensor of any shape that stands for a model's output: its `logits`, else the first floating one."""
    logits = tree.get("logits") if isinstance(tree, Mapping) else getattr(tree, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    return next((t for t in tensors(tree) if t.is_floating_point()), None)


def _mapped(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_mapped(function, value) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(_mapped(function, value) for value in tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        changes = {f.name: _mapped(function, getattr(tree, f.name)) for f in dataclasses.fields(tree) if f.init}
        return dataclasses.replace(tree, **changes)
    if isinstance(tree, Mapping):
        mapped = {key: _mapped(function, value) for key, value in tree.items()}
        return mapped if type(tree) is dict else _like(tree, mapped)
    return tree


def _like(tree: Any, mapped: dict[Any, object]) -> object:
    if not isinstance(tree, MutableMapping):
        return type(tree)(**mapped)
    changed = copy.copy(tree)  # keeps what the type adds: an order, a default factory, an encoding
    changed.update(mapped)
    return changed
