"""Samples that came in batches of different shapes: they stay together as they came."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from qdash.errors import DataError
from qdash.tensors.samples import ArraySamples, Samples
from qdash.tensors.streams import Pair, Stream
from qdash.tensors.trees import map_tensors, tensors


class KeptBatches(Samples):
    """A list of (input, labels) whose tensors have the samples along axis 0; shapes differ between batches."""

    def __init__(self, batches: Sequence[tuple[object, Tensor | None]], origin: str):
        self._parts = [
            ArraySamples(inputs, target, f"{origin}, batch {n}") for n, (inputs, target) in enumerate(batches)
        ]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self.origin = origin

    def __len__(self) -> int:
        return int(self._starts[-1])

    def fetch(self, indices: Sequence[int]) -> tuple[object, Tensor | None]:
        """Of one batch; raises ValueError where indices of several are mixed."""
        (part,) = np.unique(self._part(np.asarray(indices)))
        of_part: ArraySamples = self._parts[part]
        return of_part.fetch([int(i - self._starts[part]) for i in indices])

    def groups(self, indices: np.ndarray, size: int) -> list[np.ndarray]:
        """Batch by batch as they came; large ones in pieces."""
        parts = self._part(indices)
        together = (indices[parts == part] for part in dict.fromkeys(parts.tolist()))
        return [group[start : start + size] for group in together for start in range(0, len(group), size)]

    def labels(self) -> np.ndarray | None:
        found = [labels for part in self._parts if (labels := part.labels()) is not None]
        return np.concatenate(found) if len(found) == len(self._parts) else None

    def _part(self, indices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._starts, indices, side="right") - 1


def from_stream(batches: Iterable[object], origin: str) -> Samples:
    """The batches of an iterable, each (x, y), a dictionary with labels in it, or x, joined as `joined` does."""
    stream = Stream(batches, origin)
    samples = joined(list(stream), origin)
    samples.notes += stream.notes
    return samples


def from_samples(items: Iterable[object], origin: str) -> Samples:
    """The samples of an iterable data set, each (x, y), a dictionary with labels in it, or x."""
    from qdash.tensors.datasets import DatasetSamples

    stream = Stream(items, origin)
    samples = DatasetSamples([(x, y) if y is not None else x for x, y in stream], origin)
    samples.notes += stream.notes
    return samples


def joined(pairs: Sequence[Pair], origin: str) -> Samples:
    """(inputs, labels) of batches along axis 0; kept as they are where their shapes differ.

    Raises DataError where there is none or where a tensor's axis 0 is not the samples.
    """
    if not pairs:
        raise DataError(f"{origin}: it gave no batch; give at least one")
    shapes = {tuple((t.shape[1:], t.dtype) for t in tensors(list(pair)) if t.dim()) for pair in pairs}
    if len(shapes) > 1 or any(t.dim() == 0 for pair in pairs for t in tensors(list(pair))):
        return KeptBatches(pairs, origin)
    columns = [torch.cat(parts) for parts in zip(*(list(tensors(inputs)) for inputs, _ in pairs), strict=True)]
    column = iter(columns)
    targets = [y for _, y in pairs if y is not None]
    target = torch.cat(targets) if len(targets) == len(pairs) else None
    return ArraySamples(map_tensors(lambda _: next(column), pairs[0][0]), target, origin)
