"""What fine-tuning made of layers, as files: quantized weights and the scales that they were made with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from qdash.artifacts import reading, written
from qdash.quant.affine import QuantParameters


@dataclass(frozen=True)
class TrainedLayer:
    """One module of a layer after its fine-tune.

    weights: path relative to the module → the weight as it is used, on its grid. scales: path → (scale, zero point) of
    a weight's rows, where its format has them. inputs: name → the same of a calibrated input.
    """

    weights: Mapping[str, Tensor]
    scales: Mapping[str, QuantParameters] = field(default_factory=dict)
    inputs: Mapping[str, QuantParameters] = field(default_factory=dict)

    def tensors(self) -> dict[tuple[str, str], Tensor]:
        """By (what, path or name)."""
        found = {("weight", path): weight for path, weight in self.weights.items()}
        for what, pairs in (("weight", self.scales), ("input", self.inputs)):
            for name, parameters in pairs.items():
                found[f"{what} scale", name] = torch.from_numpy(parameters.scale)
                found[f"{what} zero point", name] = torch.from_numpy(parameters.zero_point)
        return found

    @classmethod
    def from_tensors(cls, found: Mapping[tuple[str, str], Tensor]) -> "TrainedLayer":
        """The inverse of `tensors`; KeyError where a scale lacks its zero point."""

        def parameters(what: str) -> dict[str, QuantParameters]:
            names = [name for kind, name in found if kind == f"{what} scale"]
            parts = ("scale", "zero point")
            return {n: QuantParameters(*(found[f"{what} {part}", n].numpy() for part in parts)) for n in names}

        weights = {path: tensor for (what, path), tensor in found.items() if what == "weight"}
        return cls(weights, parameters("weight"), parameters("input"))


Trained = Mapping[tuple[str, str], TrainedLayer]
"""By module and key of the setting."""


def save_trained(path: Path, layers: Mapping[str, TrainedLayer], metadata: Mapping[str, str]) -> None:
    """One .safetensors, written whole or not at all."""
    tensors = {
        json.dumps([layer, *key]): tensor for layer, found in layers.items() for key, tensor in found.tensors().items()
    }
    save_tensors(path, tensors, metadata)


def load_trained(path: Path) -> tuple[dict[str, TrainedLayer], dict[str, str]]:
    """(layer → what was trained, metadata). Raises what `load_tensors` raises."""
    tensors, metadata = load_tensors(path)
    by_layer: dict[str, dict[tuple[str, str], Tensor]] = {}
    with reading(path):
        for name, tensor in tensors.items():
            layer, what, part = json.loads(name)
            by_layer.setdefault(layer, {})[what, part] = tensor
        return {layer: TrainedLayer.from_tensors(found) for layer, found in by_layer.items()}, metadata


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A .safetensors that is there whole or not at all, whoever else writes the same."""
    from safetensors.torch import save_file

    # Cloned: the format stores every tensor once, and views of one memory would be refused.
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with written(path) as partial:
        save_file(held, partial, metadata=dict(metadata))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) on the CPU.

    Raises FileNotFoundError where there is no such file, UnreadableArtifact where it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    with reading(path, SafetensorError), safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """What stands beside the tensors; their names, and that they are all there, are checked. Raises as `load_tensors`.

    The tensors themselves aren't read.
    """
    from safetensors import SafetensorError, safe_open

    with reading(path, SafetensorError), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})
