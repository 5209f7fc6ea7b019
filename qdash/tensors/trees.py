"""Tensors inside nested inputs and outputs: tuples, lists, dictionaries, named tuples, dataclasses."""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from torch import Tensor


def tensors(tree: Any) -> Iterator[Tensor]:
    """All tensors, in a fixed order."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from tensors(value)
    elif _is_dataclass(tree):
        for field in dataclasses.fields(tree):
            yield from tensors(getattr(tree, field.name))


def map_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """The same structure with every tensor replaced; everything else is handed through."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_tensors(function, value) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(map_tensors(function, value) for value in tree)
    if _is_dataclass(tree):
        changes = {f.name: map_tensors(function, getattr(tree, f.name)) for f in dataclasses.fields(tree) if f.init}
        return dataclasses.replace(tree, **changes)
    if isinstance(tree, Mapping):
        mapped = {key: map_tensors(function, value) for key, value in tree.items()}
        return mapped if type(tree) is dict else _like(tree, mapped)
    return tree


def cloned(tree: Any) -> Any:
    """The same structure with copies of its tensors, for a forward that may write into its input."""
    return map_tensors(Tensor.clone, tree)


def first_float(tree: Any) -> Tensor | None:
    """The tensor that stands for a model's output: `logits` where there is one, else the first floating one."""
    logits = tree.get("logits") if isinstance(tree, Mapping) else getattr(tree, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    return next((t for t in tensors(tree) if t.is_floating_point()), None)


def _like(tree: Mapping[Any, Any], mapped: dict[Any, Any]) -> Any:
    if not isinstance(tree, MutableMapping):
        return type(tree)(**mapped)
    changed = copy.copy(tree)  # keeps what the type adds: an order, a default factory, an encoding
    changed.update(mapped)
    return changed


def _is_dataclass(tree: Any) -> bool:
    return dataclasses.is_dataclass(tree) and not isinstance(tree, type)
