"""Numbers as JSON can hold them: infinities are text, NaN is null."""

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The same tree with finite numbers only.

    >>> plain({"a": float("inf"), "b": [float("nan"), -float("inf"), 1.5]})
    {'a': 'Infinity', 'b': [None, '-Infinity', 1.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value


def number(value: Any) -> float | None:
    """The float that `plain` wrote, None for null."""
    return None if value is None else float(value)
