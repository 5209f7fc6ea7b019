"""Buffers that a forward changes, and how to undo it: every pass begins from the same model."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class KeptBuffer:
    """One buffer as it was. A table with `max_norm` counts too: looking a row up rescales it."""

    def __init__(self, name: str, owner: nn.Module, key: str):
        self.name, self._owner, self._key = name, owner, key
        self._tensor: Tensor = getattr(owner, key)
        self._copy, self._version = self._tensor.detach().clone(), self._tensor._version

    def changed(self) -> bool:
        """Whether it is another tensor, or was written to."""
        return getattr(self._owner, self._key) is not self._tensor or self._tensor._version != self._version

    def restore(self) -> bool:
        """Whether there was something to undo."""
        if not self.changed():
            return False
        setattr(self._owner, self._key, self._tensor)
        with torch.no_grad():
            self._tensor.copy_(self._copy)
        self._version = self._tensor._version
        return True

    def again(self) -> "KeptBuffer":
        """The same buffer as it is now."""
        return KeptBuffer(self.name, self._owner, self._key)


def kept_buffers(model: nn.Module) -> list[KeptBuffer]:
    """All buffers of a model and its rescaled tables, as they are now."""
    return [KeptBuffer(*found) for found in _owned(model)]


def _owned(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    for path, module in model.named_modules():
        for key, buffer in module._buffers.items():
            if buffer is not None:
                yield f"{path}.{key}".lstrip("."), module, key
        if getattr(module, "max_norm", None) is not None and isinstance(module._parameters.get("weight"), Tensor):
            yield f"{path}.weight".lstrip("."), module, "weight"
