"""What one calibration pass found out about every layer, on disk, readable without torch."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from qdash.artifacts import reading, written
from qdash.quant.statistics import Statistics


@dataclass(frozen=True)
class TensorSummary:
    """Of one tensor over everything seen.

    minimum, maximum: 0-d float64, exact. batch_minimum, batch_maximum: (batches,) float64, in order.
    bins, counts: the non-empty bins of the signed logarithmic histogram (`quant.log_histogram`), of a seeded subsample;
    integers.
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
    """All layers of one pass, and Σ x² of each of the model's floating outputs by name."""

    layers: Mapping[str, LayerSummary]
    outputs: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """One .npz, written whole or not at all."""
        index = [[layer, list(summary.inputs), list(summary.weights)] for layer, summary in self.layers.items()]
        summaries = [
            t for summary in self.layers.values() for t in (*summary.inputs.values(), *summary.weights.values())
        ]
        arrays: dict[str, Any] = {"index": np.array(json.dumps(index)), "outputs": np.array(json.dumps(self.outputs))}
        for name in _FIELDS:  # a thousand layers would be sixteen thousand files in the archive
            parts = [np.atleast_1d(getattr(tensor, name)) for tensor in summaries]
            arrays[name] = _narrow(np.concatenate(parts)) if parts else np.zeros(0)
            arrays[f"{name} sizes"] = np.array([len(part) for part in parts], np.int64)
        with written(path) as partial:
            np.savez(partial, **arrays)

    @classmethod
    def load(cls, path: Path, weights: bool = True) -> "Calibration":
        """Without the summaries of the weights if told so.

        Raises FileNotFoundError where there is none, UnreadableArtifact where it is damaged.
        """
        with reading(path, zipfile.BadZipFile, zlib.error):
            return _read(path, weights)


class StoredCalibration:
    """The inputs' summaries of a calibration on disk: read when they are asked for, in memory until let go of."""

    def __init__(self, path: Path):
        self._path = path
        self._read: Calibration | None = None

    @property
    def layers(self) -> Mapping[str, LayerSummary]:
        """Without the weights' summaries, which are for looking at."""
        return self._loaded.layers

    @property
    def outputs(self) -> Mapping[str, float]:
        """Σ x² of the model's outputs; empty in files of older versions."""
        return self._loaded.outputs

    @property
    def _loaded(self) -> Calibration:
        if self._read is None:
            self._read = Calibration.load(self._path, weights=False)
        return self._read

    def release(self) -> None:
        """Lets go of what was read."""
        self._read = None


_FIELDS = tuple(f.name for f in fields(TensorSummary))
_SCALARS = ("minimum", "maximum")


def _narrow(values: np.ndarray) -> np.ndarray:
    """Counts and bins, which are never negative, in the smallest type that holds them."""
    return values.astype(np.min_scalar_type(values.max(initial=0))) if values.dtype.kind in "iu" else values


def _read(path: Path, weights: bool) -> Calibration:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        index = json.loads(str(archive["index"]))
        outputs = json.loads(str(archive["outputs"])) if "outputs" in archive.files else {}
        wanted = np.array([w for _, i, ws in index for w in [True] * len(i) + [weights] * len(ws)], bool)
        columns = {name: _split(archive[name], archive[f"{name} sizes"], wanted) for name in _FIELDS}
    tensors = iter([_summary({name: parts[i] for name, parts in columns.items()}) for i in range(int(wanted.sum()))])
    layers = {}
    for layer, inputs, names in index:
        of_inputs = {name: next(tensors) for name in inputs}
        layers[layer] = LayerSummary(of_inputs, {name: next(tensors) for name in names} if weights else {})
    return Calibration(layers, outputs)


def _split(values: np.ndarray, sizes: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    if not wanted.all():
        values, sizes = values[np.repeat(wanted, sizes)], sizes[wanted]
    return np.split(values, np.cumsum(sizes)[:-1])


def _summary(values: dict[str, np.ndarray]) -> TensorSummary:
    return TensorSummary(**{name: v[0] if name in _SCALARS else v for name, v in values.items()})
