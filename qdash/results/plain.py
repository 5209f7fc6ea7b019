"""Results as JSON can hold them: dataclasses and specs are objects, infinities are text, NaN is null."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@runtime_checkable
class Described(Protocol):
    """What says itself how it is written."""

    def described(self) -> dict[str, object]:
        """By name."""


def as_dict(value: "DataclassInstance") -> dict[str, object]:
    """The fields of a result by name, whatever they hold as it is."""
    return {f.name: getattr(value, f.name) for f in fields(value)}


def as_tree(value: Any) -> Any:
    """The same with dictionaries in place of dataclasses and specs, and lists in place of tuples; numbers stay."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Described):
        return value.described()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        value = as_dict(value)
    if isinstance(value, Mapping):
        return {str(key): as_tree(item) for key, item in value.items()}
    return [as_tree(item) for item in value] if isinstance(value, list | tuple) else value


def plain(value: object) -> Any:
    """The same tree with finite numbers only.

    >>> plain({"a": float("inf"), "b": [float("nan"), -float("inf"), 1.5]})
    {'a': 'Infinity', 'b': [None, '-Infinity', 1.5]}
    """
    return _finite(as_tree(value))


def number(value: str | float | None) -> float | None:
    """The float that `plain` wrote, None for null."""
    return None if value is None else float(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value
