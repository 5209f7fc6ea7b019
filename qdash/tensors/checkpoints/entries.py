"""The state dicts in a checkpoint: under which entry each lies, however deep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

_DEEPEST = 3
EXTRA_STATE = "_extra_state"  # ends the name under which torch keeps what a module saves beside its tensors


@dataclass(frozen=True)
class StateEntry:
    """One mapping of names to tensors; key: the path of entries that leads to it, joined with dots, "" at the top."""

    key: str
    state: dict[str, object]


def state_entries(value: object, key: str = "", depth: int = 0) -> Iterator[StateEntry]:
    """Every mapping in a tree that holds tensors, outermost first.

    What is no tensor is left out of a state, apart from a module's extra state.
    """
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return
    state = {str(k): v for k, v in value.items() if isinstance(v, Tensor) or str(k).endswith(EXTRA_STATE)}
    if any(isinstance(v, Tensor) for v in state.values()):
        yield StateEntry(key, state)
    for name, inner in value.items():
        if isinstance(name, str):
            yield from state_entries(inner, f"{key}.{name}" if key else name, depth + 1)
