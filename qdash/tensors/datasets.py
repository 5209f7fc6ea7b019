"""Samples of a map-style data set, fetched one by one and stacked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import default_collate

from qdash.errors import DataError
from qdash.faults import described, is_of_foreign_code
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
        self._seen: dict[int, Tensor] = {}  # labels, which are looked at before anything runs
        first = self._item(0)
        self._pairs = isinstance(first, tuple | list) and len(first) == 2 and not hasattr(first, "_fields")
        key = taken_labels(first)[2]
        self.notes = (f"{origin}: {key!r} of every sample is its label, not an input",) if key else ()

    def __len__(self) -> int:
        return len(self._dataset)

    def fetch(self, indices: Sequence[int]) -> tuple[object, Tensor | None]:
        taken = [self._taken(int(index)) for index in indices]
        labels = [label for _, label in taken]
        known = None if any(label is None for label in labels) else self._labels(labels, indices)
        return self._stacked([inputs for inputs, _ in taken]), known

    def targets(self, indices: Sequence[int]) -> Iterator[Tensor]:
        for index in indices:
            if index not in self._seen:
                self.fetch([index])
            if index not in self._seen:
                return
            yield self._seen[index]

    def labels(self) -> np.ndarray | None:
        return None

    def _taken(self, index: int) -> tuple[object, object]:
        """(inputs, label or None) of one sample."""
        item = self._item(index)
        if self._pairs and isinstance(item, tuple | list):
            return item[0], item[1]
        inputs, label, _ = taken_labels(item)
        return inputs, label

    def _labels(self, labels: list[object], indices: Sequence[int]) -> Tensor | None:
        where = f"{self.origin}, sample {indices[0]}"
        no_numbers = next((label for label in labels if isinstance(label, str | Mapping)), None)
        found = as_labels(self._stacked(labels) if no_numbers is None else no_numbers, where)
        if found is not None:
            self._seen |= {int(index): found[place : place + 1] for place, index in enumerate(indices)}
        return found

    def _item(self, index: int) -> object:
        try:
            return self._dataset[index]
        except BaseException as error:  # the user's own code
            if not is_of_foreign_code(error):
                raise
            line = described(error)[:200]
            raise DataError(f"{self.origin}: sample {index} failed with {type(error).__name__}: {line}") from error

    def _stacked(self, items: list[object]) -> object:
        try:
            stacked = default_collate([as_tensors(item, self.origin) for item in items])
        except (RuntimeError, TypeError, KeyError) as error:
            line = " ".join(str(error).split())[:200]
            raise DataError(f"{self.origin}: its samples can't be stacked into a batch: {line}") from error
        return tuple(stacked) if isinstance(items[0], tuple) and isinstance(stacked, list) else stacked
