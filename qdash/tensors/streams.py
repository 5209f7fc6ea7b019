"""Samples from iterables, which have no length: read up to a limit, and joined."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from qdash.errors import DataError
from qdash.tensors.incoming import as_labels, as_tensors, taken_labels
from qdash.tensors.trees import tensors

MOST_SAMPLES, MOST_BYTES = 100_000, 4 << 30

Pair = tuple[object, Tensor | None]


class Stream:
    """Reads (inputs, labels) from an iterable until it ends or enough is read; `ended` tells which of the two."""

    def __init__(self, values: Iterable[object], origin: str):
        self._values, self._origin = values, origin
        self.samples, self.ended = 0, False
        self._bytes = 0

    def __iter__(self) -> Iterator[Pair]:
        source = iter(self._values)
        number = 0
        while number < MOST_SAMPLES and self.samples < MOST_SAMPLES and self._bytes < MOST_BYTES:
            try:
                value = next(source)
            except StopIteration:
                self.ended = True
                return
            except Exception as error:  # the user's own code
                line = " ".join(str(error).split())[:200]
                raise DataError(f"{self._origin}: item {number} failed with {type(error).__name__}: {line}") from error
            pair = as_pair(value, f"{self._origin}, item {number}")
            found = list(tensors(pair[0]))
            self.samples += len(found[0]) if found and found[0].dim() else 1
            self._bytes += sum(t.numel() * t.element_size() for t in found)
            number += 1
            yield pair

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left unread."""
        return () if self.ended else (f"{self._origin}: it goes on; the first {self.samples} samples are used",)


def as_pair(value: object, origin: str) -> Pair:
    """(inputs, labels) of one batch or sample: a pair, a dictionary with labels in it, or inputs alone."""
    if isinstance(value, tuple | list) and len(value) == 2 and not hasattr(value, "_fields"):
        return as_tensors(value[0], origin), as_labels(value[1], origin)
    inputs, labels, _ = taken_labels(value)
    return as_tensors(inputs, origin), as_labels(labels, origin)
