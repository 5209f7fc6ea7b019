"""A callable of the user's that returns samples."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator

from qdash import sources as python_source
from qdash.datasets.base import REGISTRY, DatasetSource, Loaded
from qdash.errors import DataError


@REGISTRY.register("python")
class Python(DatasetSource):
    """A callable that returns `(x, y)` tensors, a torch `Dataset`, or an iterable of batches."""

    prefix: ClassVar[str] = "python"
    examples: ClassVar[tuple[str, ...]] = ("python:data.py:samples",)

    @field_validator("text")
    @classmethod
    def _absolute(cls, text: str) -> str:
        return python_source.absolute_text(text, DataError)

    def files(self) -> tuple[Path, ...]:
        file = python_source.source_file(self.text)
        return (file,) if file else ()

    def load(self) -> Loaded:
        return Loaded(_samples(python_source.call(self.text, DataError), self.text))


def _samples(value: Any, origin: str) -> Any:
    import torch

    from qdash.tensors.kept_batches import from_batches
    from qdash.tensors.samples import ArraySamples, DatasetSamples
    from qdash.tensors.trees import tensors

    if isinstance(value, tuple) and len(value) == 2 and all(list(tensors(part)) or part is None for part in value):
        return ArraySamples(value[0], value[1], origin)
    if isinstance(value, torch.Tensor):
        return ArraySamples(value, None, origin)
    if hasattr(value, "__getitem__") and hasattr(value, "__len__") and not isinstance(value, list | tuple | dict):
        return DatasetSamples(value, origin)
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return from_batches(list(value), origin)
    kind = type(value).__name__
    raise DataError(f"{origin} returned {kind}; return (x, y) tensors, a Dataset, or an iterable of batches")
