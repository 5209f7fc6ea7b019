"""Samples of a map-style data set, fetched one by one and stacked."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import default_collate

from qdash.errors import DataError
from qdash.tensors.incoming import as_labels, as_tensors, taken_labels
from qdash.tensors.samples import Samples


class MapStyle(Protocol):
    """A `torch.utils.data.Dataset`, a list of samples, or what behaves like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


class DatasetSamples(Samples):
    """A map-style data set of (input, label), of dictionaries with labels in them, or of inputs alone.

    A sample that is a tuple of other than two parts holds several inputs.
    """

    def __init__(self, dataset: MapStyle, origin: str):
        if len(dataset) == 0:
            raise DataError(f"{origin}: the set is empty; give at least one sample")
        self._dataset, self.origin = dataset, origin
        first = self._item(0)
        self._pairs = isinstance(first, tuple | list) and len(first) == 2 and not hasattr(first, "_fields")
        key = taken_labels(first)[2]
        self.notes = (f"{origin}: {key!r} of every sample is its label, not an input",) if key else ()

    def __len__(self) -> int:
        return len(self._dataset)

    def fetch(self, indices: Sequence[int]) -> tuple[object, Tensor | None]:
        items = [self._item(int(i)) for i in indices]
        where = f"{self.origin}, sample {indices[0]}"
        if self._pairs:
            inputs, labels = [item[0] for item in items], [item[1] for item in items]  # type: ignore[index]
            return self._stacked(inputs), as_labels(self._stacked_labels(labels), where)
        taken = [taken_labels(item) for item in items]
        labels = [label for _, label, _ in taken]
        known = None if any(label is None for label in labels) else as_labels(self._stacked_labels(labels), where)
        return self._stacked([inputs for inputs, _, _ in taken]), known

    def labels(self) -> np.ndarray | None:
        return None

    def _item(self, index: int) -> object:
        try:
            return self._dataset[index]
        except Exception as error:  # the user's own code
            line = " ".join(str(error).split())[:200]
            raise DataError(f"{self.origin}: sample {index} failed with {type(error).__name__}: {line}") from error

    def _stacked(self, items: list[object]) -> object:
        try:
            stacked = default_collate([as_tensors(item, self.origin) for item in items])
        except (RuntimeError, TypeError, KeyError) as error:
            line = " ".join(str(error).split())[:200]
            raise DataError(f"{self.origin}: its samples can't be stacked into a batch: {line}") from error
        return tuple(stacked) if isinstance(items[0], tuple) and isinstance(stacked, list) else stacked

    def _stacked_labels(self, labels: list[object]) -> object:
        if any(isinstance(label, str | Mapping) for label in labels):
            return labels[0]  # no numbers: the message shows the first
        return self._stacked(labels)
