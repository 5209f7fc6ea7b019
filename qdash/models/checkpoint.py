"""Weights from a file into a model: wrappers and prefixes are undone, and said."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdash.errors import ModelError
from qdash.sources import existing_file

if TYPE_CHECKING:
    from torch import Tensor, nn

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "ema_state_dict")
SCALES = "quantization."  # begins the names of the scales in a file of fine-tuned weights
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "backbone.")


def load_weights(model: "nn.Module", file: str) -> list[str]:
    """Loads `.safetensors`, or `.pt/.pth/.th` read with `weights_only=True`; returns notes of what was undone.

    Raises ModelError where the file can't be read or does not fit, with the names that differ.
    """
    path = existing_file(file, "weights file", ModelError)
    state, notes = _unwrapped(_read(path), path.name)
    if any(key.startswith(SCALES) for key in state):
        notes.append(f"{path.name}: left its scales out; they belong to its quantized weights")
        state = {key: value for key, value in state.items() if not key.startswith(SCALES)}
    state, prefix_notes = _without_prefix(state, set(model.state_dict()))
    _check_fit(model, state, path.name)
    model.load_state_dict(state)
    return notes + prefix_notes


def _read(path: Path) -> Any:
    import pickle

    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return load_file(path)
            except SafetensorError as error:
                raise ValueError(str(error)) from error
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} holds more than weights and could run code when read; save the state_dict alone, "
            "best as .safetensors"
        ) from error
    except (OSError, ValueError, RuntimeError, EOFError, KeyError) as error:
        raise ModelError(f"{path.name} can't be read as weights: {' '.join(str(error).split())[:200]}") from error


def _unwrapped(value: Any, name: str) -> tuple[dict[str, "Tensor"], list[str]]:
    from torch import Tensor

    notes = []
    while isinstance(value, Mapping) and not any(isinstance(v, Tensor) for v in value.values()):
        key = next((k for k in _WRAPPERS if isinstance(value.get(k), Mapping)), None)
        if key is None:
            break
        notes.append(f"{name}: took the weights from its entry {key!r}")
        value = value[key]
    if not isinstance(value, Mapping) or not any(isinstance(v, Tensor) for v in value.values()):
        raise ModelError(f"{name} holds no state_dict; save model.state_dict()")
    return {str(k): v for k, v in value.items() if isinstance(v, Tensor)}, notes


def _without_prefix(state: dict[str, "Tensor"], wanted: set[str]) -> tuple[dict[str, "Tensor"], list[str]]:
    notes: list[str] = []
    changed = True
    while changed and not wanted & set(state):
        changed = False
        for prefix in _PREFIXES:
            if state and all(key.startswith(prefix) for key in state):
                state = {key.removeprefix(prefix): value for key, value in state.items()}
                notes.append(f"removed the prefix {prefix!r} from the names of the weights")
                changed = True
    return state, notes


def _check_fit(model: "nn.Module", state: dict[str, "Tensor"], name: str) -> None:
    own = model.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in state if k not in own]
    if missing or unexpected:
        parts = [f"{what} {_few(keys)}" for what, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
        raise ModelError(f"{name} does not fit the model: {'; '.join(parts)}; give the weights of this architecture")
    for key, value in state.items():
        if own[key].shape != value.shape:
            raise ModelError(f"{name}: {key} has shape {tuple(value.shape)}, the model expects {tuple(own[key].shape)}")
    for key in own:  # checkpoints from before PyTorch 0.4.1 lack the counter
        state.setdefault(key, own[key])


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
