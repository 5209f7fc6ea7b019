"""The call of a module: what it is given, what runs it, what it returns."""

from collections.abc import Callable
from typing import Any

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Call = tuple[Args, Kwargs]
Output = Any  # a tensor, or the tree of them that this kind of module returns
Forward = Callable[..., object]
