"""What one calibration pass found out about every layer, on disk, readable without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from qdash.quant.statistics import Statistics


@dataclass(frozen=True)
class TensorSummary:
    """Of one tensor over everything seen.

    minimum, maximum: 0-d float64, exact. batch_minimum, batch_maximum: (batches,) float64, in order.
    bins, counts: the non-empty bins of the signed logarithmic histogram (`quant.log_histogram`), of a seeded subsample.
    channel_minimum, channel_maximum: (channels,) float64, exact.
    """

    minimum: np.ndarray
    maximum: np.ndarray
    batch_minimum: np.ndarray
    batch_maximum: np.ndarray
    bins: np.ndarray
    counts: np.ndarray
    channel_minimum: np.ndarray
    channel_maximum: np.ndarray

    def statistics(self) -> Statistics:
        """As one row for the observers."""
        return Statistics.from_histogram(
            self.minimum, self.maximum, self.batch_minimum, self.batch_maximum, self.bins, self.counts
        )


@dataclass(frozen=True)
class LayerSummary:
    """The inputs of a layer by argument name and its weights by parameter name; an input never seen has no batches."""

    inputs: Mapping[str, TensorSummary]
    weights: Mapping[str, TensorSummary]

    @property
    def input(self) -> TensorSummary:
        """The first one."""
        return next(iter(self.inputs.values()))


@dataclass(frozen=True)
class Calibration:
    """All layers of one pass."""

    layers: Mapping[str, LayerSummary]

    def save(self, path: Path) -> None:
        """One .npz, written whole or not at all."""
        arrays: dict[str, Any] = {}
        index = [[layer, list(summary.inputs), list(summary.weights)] for layer, summary in self.layers.items()]
        for number, summary in enumerate(self.layers.values()):
            for part, tensor in enumerate([*summary.inputs.values(), *summary.weights.values()]):
                arrays |= {f"{number}.{part}.{f.name}": getattr(tensor, f.name) for f in fields(TensorSummary)}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, index=np.array(json.dumps(index)), **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Raises FileNotFoundError where there is none."""
        with np.load(path, allow_pickle=False) as archive:
            layers = {}
            for number, (layer, inputs, weights) in enumerate(json.loads(str(archive["index"]))):
                tensors = iter(_tensor(archive, f"{number}.{part}") for part in range(len(inputs) + len(weights)))
                layers[layer] = LayerSummary({n: next(tensors) for n in inputs}, {n: next(tensors) for n in weights})
        return cls(layers)


def _tensor(archive: Mapping[str, np.ndarray], prefix: str) -> TensorSummary:
    return TensorSummary(**{f.name: archive[f"{prefix}.{f.name}"] for f in fields(TensorSummary)})
