"""Samples of a data set: inputs and labels, fetched in batches by index."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdash.errors import DataError
from qdash.tensors.call import Args, Call, Kwargs
from qdash.tensors.trees import map_tensors, tensors


@dataclass(frozen=True)
class Batch:
    """The arguments of one forward, and the labels of its samples."""

    args: Args
    kwargs: Kwargs
    target: Tensor | None
    size: int

    @property
    def values_per_sample(self) -> int:
        """Numbers in the arguments."""
        return sum(t.numel() for t in tensors([self.args, self.kwargs])) // max(1, self.size)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        moved = map_tensors(lambda t: t.to(device), (self.args, self.kwargs, self.target))
        return Batch(*moved, self.size)


_AT_ONCE = 256  # samples whose labels are looked at together


class Samples(ABC):
    """A finite, indexable set of samples."""

    origin: str
    notes: tuple[str, ...] = ()  # what was done to them on the way
    label_form: Callable[[Tensor], Tensor] | None = None  # how labels become what the metric takes
    input_form: Callable[[Call], Call] | None = None  # how inputs become what the model takes

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fetch(self, indices: Sequence[int]) -> tuple[object, Tensor | None]:
        """(input tree, labels or None), stacked along axis 0."""

    def groups(self, indices: np.ndarray, size: int) -> list[np.ndarray]:
        """The samples of each batch of one pass: at most `size` that can be fetched together.

        indices: (samples,) int64, as are those of each group, in their order.
        """
        return [indices[start : start + size] for start in range(0, len(indices), size)]

    @abstractmethod
    def labels(self) -> np.ndarray | None:
        """All labels, (samples,), where they are one integer a sample, for stratified splits; None otherwise."""

    def batch(self, indices: Sequence[int]) -> Batch:
        """Raises DataError where a sample holds NaN or Inf."""
        inputs, target = self.fetch(indices)
        self._check_finite(inputs, indices)
        if target is not None and self.label_form is not None:
            target = self.label_form(target)
        args, kwargs = _call(inputs) if self.input_form is None else self.input_form(_call(inputs))
        return Batch(args, kwargs, target, len(indices))

    def targets(self, indices: Sequence[int]) -> Iterator[Tensor]:
        """Labels as they were given, some samples at a time, (samples, …); none where there are none."""
        for group in self.groups(np.asarray(indices), _AT_ONCE):
            target = self.fetch(group.tolist())[1]
            if target is not None:
                yield target

    def digests(self, indices: Sequence[int]) -> list[bytes]:
        """A content hash of every sample's input, to count overlaps."""
        found = []
        for index in indices:
            hasher = hashlib.blake2b(digest_size=16)
            for tensor in tensors(self.fetch([index])[0]):
                hasher.update(str(tensor.dtype).encode() + tensor.contiguous().view(torch.uint8).numpy().tobytes())
            found.append(hasher.digest())
        return found

    def _check_finite(self, inputs: object, indices: Sequence[int]) -> None:
        for tensor in tensors(inputs):
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()) and not _is_mask(tensor):
                bad = (~torch.isfinite(tensor).flatten(1)).any(1).nonzero()[0].item()
                value = tensor[int(bad)].flatten()
                shown = value[~torch.isfinite(value)][0].item()
                raise DataError(f"{self.origin}: sample {indices[int(bad)]} holds {shown}; remove or repair it")


def _call(inputs: object) -> Call:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, tuple) and not hasattr(inputs, "_fields") else (inputs,)), {}


def _is_mask(tensor: Tensor) -> bool:
    """An additive attention mask: 0 where one may look, −∞ where not."""
    return bool(((tensor == 0) | (tensor == -torch.inf)).all())


class ArraySamples(Samples):
    """Tensors of equal length along axis 0."""

    def __init__(self, inputs: object, target: Tensor | None, origin: str):
        if any(t.dim() == 0 for t in tensors(inputs)):
            raise DataError(f"{origin}: an input is a single number; the samples must lie along axis 0")
        lengths = {len(t) for t in tensors(inputs)}
        if not lengths:
            raise DataError(f"{origin}: it holds no array; give the inputs as arrays or tensors")
        if len(lengths) != 1:
            raise DataError(f"{origin}: inputs have different lengths {sorted(lengths)}; they must agree")
        if target is not None and target.dim() == 0:
            raise DataError(f"{origin}: its labels are a single number; give one for every sample")
        if target is not None and {len(target)} != lengths:
            raise DataError(f"{origin}: {lengths.pop()} inputs and {len(target)} labels; they must agree")
        if lengths == {0}:
            raise DataError(f"{origin}: the set is empty; give at least one sample")
        self._inputs, self._target, self.origin, self._length = inputs, target, origin, lengths.pop()

    def __len__(self) -> int:
        return self._length

    def fetch(self, indices: Sequence[int]) -> tuple[object, Tensor | None]:
        at = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        return map_tensors(lambda t: t[at], self._inputs), None if self._target is None else self._target[at]

    def targets(self, indices: Sequence[int]) -> Iterator[Tensor]:
        if self._target is not None:
            yield self._target[torch.as_tensor(np.asarray(indices, dtype=np.int64))]

    def labels(self) -> np.ndarray | None:
        if self._target is None or self._target.is_floating_point() or self._target.dim() != 1:
            return None
        return self._target.numpy()
