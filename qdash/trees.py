"""Tensors inside nested inputs and outputs: tuples, lists, dictionaries, named tuples, dataclasses."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
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
        return mapped if type(tree) is dict else type(tree)(**mapped)
    return tree


def first_float(tree: Any) -> Tensor | None:
    """The tensor that stands for a model's output: `logits` where there is one, else the first floating one."""
    logits = tree.get("logits") if isinstance(tree, Mapping) else getattr(tree, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    return next((t for t in tensors(tree) if t.is_floating_point()), None)


def _is_dataclass(tree: Any) -> bool:
    return dataclasses.is_dataclass(tree) and not isinstance(tree, type)
