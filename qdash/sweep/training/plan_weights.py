"""The weights of a fine-tuned plan as a file that loads into the original model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qdash.engine.trained import TrainedLayer, save_tensors
from qdash.instrument.folding import Fold
from qdash.records.names import whole
from qdash.spec.mixed import QatSpec
from qdash.sweep.prepare.prepare import Prepared
from qdash.tensors.checkpoints.load import SCALES


def save_plan_weights(path: Path, prepared: Prepared, spec: QatSpec, layers: Mapping[str, TrainedLayer]) -> None:
    """A .safetensors with every tensor of the model's state_dict under its own name, and scales beside them.

    Weights lie on their grid: quantizing them with their scales changes nothing. A BatchNorm that was folded into a
    trained layer becomes an identity that adds the folded bias. Scales: `quantization.LAYER.WEIGHT.scale` (per row) and
    `.zero_point`, `quantization.LAYER.input.scale`. Metadata `qdash`: what was kept, folded, set.
    """
    state = _state(prepared, layers)
    for layer, found in layers.items():
        for part, parameters in {**found.scales, **found.inputs}.items():
            state[f"{SCALES}{whole(layer)}.{part}.scale"] = torch.from_numpy(parameters.scale)
            state[f"{SCALES}{whole(layer)}.{part}.zero_point"] = torch.from_numpy(parameters.zero_point)
    told = {
        "keep_fp32": list(spec.keep),
        "setting": spec.setting.model_dump(mode="json"),
        "training": spec.training,
        "folded": [[fold.layer, fold.norm] for fold in prepared.folding.folds if fold.layer in layers],
    }
    save_tensors(path, state, {"format": "pt", "qdash": json.dumps(told)})


def _state(prepared: Prepared, layers: Mapping[str, TrainedLayer]) -> dict[str, Tensor]:
    model = prepared.workload.model
    state = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    for fold in prepared.folding.folds:
        _unfold(state, fold, trained=fold.layer in layers)
    aliases = _aliases(model)
    for layer, found in layers.items():
        for path, weight in found.weights.items():
            name = f"{whole(layer)}.{path}"
            state |= dict.fromkeys(aliases.get(name, [name]), weight)
    return state


def _unfold(state: dict[str, Tensor], fold: Fold, trained: bool) -> None:
    assert fold.saved is not None, "the model is folded"
    weight, bias = fold.saved
    folded_bias = state.pop(f"{fold.layer}.bias")
    if bias is not None:
        state[f"{fold.layer}.bias"] = torch.zeros_like(bias) if trained else bias
    if not trained:
        state[f"{fold.layer}.weight"] = weight
        return
    norm: Any = fold.batch_norm
    state[f"{fold.norm}.running_mean"] = -folded_bias
    state[f"{fold.norm}.running_var"] = torch.full_like(folded_bias, 1 - norm.eps)
    if norm.weight is not None:
        state[f"{fold.norm}.weight"] = torch.ones_like(folded_bias)
        state[f"{fold.norm}.bias"] = torch.zeros_like(folded_bias)


def _aliases(model: nn.Module) -> dict[str, list[str]]:
    """Name of a parameter → all names of the same one."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: group for group in names.values() for name in group}
