"""Weights from a file into a model: wrappers and prefixes are undone, and said."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qdash.errors import ModelError
from qdash.sources import existing_file
from qdash.tensors.checkpoints.entries import StateEntry, state_entries
from qdash.tensors.checkpoints.fit import load_into, wanted_names
from qdash.tensors.checkpoints.names import Renaming, renaming
from qdash.tensors.checkpoints.read import read

SCALES = "quantization."  # begins the names of the scales in a file of fine-tuned weights


def load_weights(model: nn.Module, file: str, key: str | None = None) -> list[str]:
    """Loads `.safetensors`, or what torch.save wrote, read with `weights_only=True`; returns notes of what was done.

    key: the entry that holds the weights, entries within entries joined with dots; where None, the one that fits.
    Raises ModelError where the file can't be read, does not fit, or several entries fit, with the names that differ.
    """
    path = existing_file(file, "weights file", ModelError)
    entries = list(state_entries(read(path)))
    if not entries:
        raise ModelError(f"{path.name} holds no state_dict; save model.state_dict()")
    wanted = wanted_names(model)
    entry = _named(entries, key, path.name) if key is not None else _fitting(entries, wanted, path.name)
    names = renaming(list(entry.state), wanted)
    state = {new: entry.state[old] for old, new in names.names.items()}
    notes = [f"{path.name}: took the weights from its entry {entry.key!r}"] if entry.key else []
    if any(name.startswith(SCALES) for name in state):
        notes.append(f"{path.name}: left its scales out; they belong to its quantized weights")
        state = {name: value for name, value in state.items() if not name.startswith(SCALES)}
    return notes + names.notes + load_into(model, state, path.name)


def _named(entries: Sequence[StateEntry], key: str, file: str) -> StateEntry:
    found = next((entry for entry in entries if entry.key == key), None)
    if found is None:
        known = ", ".join(repr(entry.key) for entry in entries if entry.key) or "none with weights"
        raise ModelError(f"{file} has no entry {key!r} with weights; its entries are: {known} (--weights-key)")
    return found


def _fitting(entries: Sequence[StateEntry], wanted: set[str], file: str) -> StateEntry:
    """The entry with most of the wanted names. Raises ModelError where several have them and differ."""
    found = [(_hits(renaming(list(entry.state), wanted), wanted), entry) for entry in entries]
    most = max(hits for hits, _ in found)
    best = [entry for hits, entry in found if hits == most]
    different = [entry for entry in best if not _same(entry, best[0])]
    if most and different:
        keys = ", ".join(repr(entry.key) for entry in best)
        raise ModelError(f"{file} holds several sets of weights that fit: {keys}; choose one with --weights-key")
    return best[0]


def _hits(names: Renaming, wanted: set[str]) -> int:
    return len(wanted & set(names.names.values()))


def _same(one: StateEntry, other: StateEntry) -> bool:
    """Whether two entries hold the same tensors, whatever wraps their names."""
    mine = [value for value in one.state.values() if isinstance(value, Tensor)]
    others = [value for value in other.state.values() if isinstance(value, Tensor)]
    alike = (
        a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b) for a, b in zip(mine, others, strict=False)
    )
    return len(mine) == len(others) and all(alike)
