"""Brings measurements from the device to the host: one synchronisation for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qdash.engine.item import Measured
from qdash.records.scores import Score

_KEPT = ("noise", "kl", "outcome", "flipped", "signal")


def fetched(pending: Sequence[tuple[Score, Measured]]) -> Iterator[Score]:
    """The scores with their numbers: per-sample vectors are kept as float32 and summed in float64."""
    tensors = [t for _, m in pending for t in (*m.sums.values(), *m.samples.values())]
    if not tensors:
        return
    host = torch.cat([t.detach().double().reshape(-1) for t in tensors]).cpu().numpy()
    parts = iter(np.split(host, np.cumsum([t.numel() for t in tensors])[:-1]))
    for score, measured in pending:
        sums = {name: float(next(parts)[0]) for name in measured.sums}
        samples = {name: next(parts) for name in measured.samples}
        sums |= {name: float(values.sum()) for name, values in samples.items()}
        sums["seconds"] = measured.seconds
        if samples:
            sums["samples"] = float(len(next(iter(samples.values()))))
        with np.errstate(over="ignore"):  # what float32 can't hold has no interval; its sum is exact
            kept = {name: values.astype(np.float32) for name, values in samples.items() if name in _KEPT}
        yield replace(score, sums=sums, samples=kept)


def count(tensor: Tensor) -> Tensor:
    """Number of elements as a float64 scalar on the tensor's device."""
    return torch.tensor(float(tensor.numel()), dtype=torch.float64, device=tensor.device)
