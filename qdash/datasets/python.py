"""A callable of the user's that returns samples."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from qdash import sources
from qdash.datasets.base import REGISTRY, DatasetSource, Loaded
from qdash.errors import DataError

if TYPE_CHECKING:
    from qdash.tensors.samples import Samples


@REGISTRY.register("python")
class PythonSamples(DatasetSource):
    """A callable that returns `(x, y)` arrays or tensors, a torch `Dataset`, or an iterable of batches."""

    prefix: ClassVar[str] = "python"
    examples: ClassVar[tuple[str, ...]] = ("python:data.py:samples",)

    @field_validator("text")
    @classmethod
    def _absolute(cls, text: str) -> str:
        return sources.absolute_text(text, DataError)

    def files(self) -> tuple[Path, ...]:
        file = sources.source_file(self.text)
        return (file,) if file else ()

    def load(self) -> Loaded:
        return Loaded(_samples(sources.call(self.text, DataError), self.text))


def _samples(value: object, origin: str) -> "Samples":
    """By the form of what was returned. Raises DataError where it has none of the known ones."""
    import numpy as np
    from torch import Tensor
    from torch.utils.data import IterableDataset

    from qdash.tensors.datasets import DatasetSamples
    from qdash.tensors.kept_batches import from_samples, from_stream

    if isinstance(value, tuple) and len(value) == 2 and not hasattr(value, "_fields"):
        return _arrays(value[0], value[1], origin)
    if isinstance(value, Tensor | np.ndarray):
        return _arrays(value, None, origin)
    if isinstance(value, Mapping):
        return _mapping(value, origin)
    if isinstance(value, IterableDataset):
        return from_samples(value, origin)
    if isinstance(value, list) and value and _is_sample(value[0]):
        return DatasetSamples(value, origin)
    if (
        hasattr(value, "__getitem__")
        and hasattr(value, "__len__")
        and not isinstance(value, list | tuple | str | bytes)
    ):
        return DatasetSamples(value, origin)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return from_stream(value, origin)
    kind = type(value).__name__
    raise DataError(f"{origin} returned {kind}; return (x, y) tensors, a Dataset, or an iterable of batches")


def _arrays(x: object, y: object, origin: str) -> "Samples":
    import torch
    from torch import Tensor

    from qdash.tensors.incoming import as_labels, as_tensors
    from qdash.tensors.samples import ArraySamples

    inputs, labels = as_tensors(x, origin), as_labels(y, origin)
    if isinstance(inputs, list) and all(isinstance(part, Tensor) for part in inputs):  # one array a sample
        shapes = {tuple(part.shape) for part in inputs}
        if len(shapes) > 1 and (labels is None or len(labels) == len(inputs)):
            raise DataError(f"{origin}: its samples have different shapes {sorted(shapes)[:3]}; return batches instead")
        inputs = torch.stack(inputs) if labels is None or len(labels) == len(inputs) else tuple(inputs)
    return ArraySamples(inputs, labels, origin)


def _mapping(value: Mapping[object, object], origin: str) -> "Samples":
    """`x` and `y` as in an .npz, or arrays by the names of forward's arguments, labels among them."""
    from qdash.tensors.incoming import taken_labels

    if set(value) <= {"x", "y"} and "x" in value:
        return _arrays(value["x"], value.get("y"), origin)
    inputs, labels, _ = taken_labels(value)
    return _arrays(dict(inputs) if isinstance(inputs, Mapping) else inputs, labels, origin)


def _is_sample(value: object) -> bool:
    """Whether an element of a list is one sample: its label is one number or one word."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    label = value[1]
    return isinstance(label, int | float | str) or (hasattr(label, "ndim") and getattr(label, "ndim", 1) == 0)
