"""Whether a state dict fits a model, as far as torch's own `load_state_dict` and the formats' conventions go."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qdash.errors import ModelError
from qdash.tensors.checkpoints.entries import EXTRA_STATE
from qdash.tensors.checkpoints.names import few

# Buffers that older code saved and newer code computes or counts elsewhere, whatever their type.
_FORGOTTEN = {
    "position_ids", "token_type_ids", "masked_bias", "inv_freq", "relative_position_index", "attn_mask",
    "anchor_grid", "total_ops", "total_params", "num_batches_tracked", "n_averaged",
}  # fmt: skip


def wanted_names(model: nn.Module) -> set[str]:
    """The names that a file for this model has, weight norm in both its spellings, without what files may lack."""
    names = {name for name in model.state_dict(keep_vars=True) if not _may_lack(name)}
    return names | {old for name in names for old in _older_names(name)}


def load_into(model: nn.Module, state: Mapping[str, object], file: str) -> list[str]:
    """Loads a state whose names are the model's; returns notes. Raises ModelError with the names that differ.

    Taken without a word by torch itself or by the format: shared tensors that a file holds once, counters of old
    BatchNorms, weight norm under its old names. Buffers that the model no longer registers are left out, and said.
    """
    own = {name: value for name, value in model.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    shared = _shared_names(own)
    modules = {path for path, _ in model.named_modules()}
    given = {name: value for name, value in state.items() if name in own or not _forgotten(name, value, modules)}
    notes = [f"{file}: left out {few(left)}, which the model doesn't register"] if (left := _left(state, given)) else []
    _check_tensors(own, given, file)
    try:
        missing, unexpected = model.load_state_dict(given, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{file} does not fit the model: {' '.join(str(error).split())[:300]}") from error
    lacking = [n for n in missing if not _may_lack(n) and not any(other in given for other in shared.get(n, ()))]
    if lacking or unexpected:
        parts = [f"{what} {few(names)}" for what, names in (("missing", lacking), ("unexpected", unexpected)) if names]
        raise ModelError(f"{file} does not fit the model: {'; '.join(parts)}; give the weights of this architecture")
    return notes + _conversions(own, given, file)


def _may_lack(name: str) -> bool:
    return name.endswith(("num_batches_tracked", EXTRA_STATE))


def _older_names(name: str) -> tuple[str, ...]:
    """Weight norm's names before parametrizations, which torch translates when it loads."""
    module, _, part = name.rpartition(".")
    old = {"original0": "_g", "original1": "_v"}.get(part)
    owner, mark, parameter = module.rpartition("parametrizations.")
    return (f"{owner}{parameter}{old}",) if old and mark else ()


def _shared_names(own: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Name → the other names of the same tensor."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in own.items():
        if not is_lazy(tensor) and tensor.numel() and tensor.device.type != "meta":
            place = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
            groups.setdefault(place, []).append(name)
    return {name: [n for n in names if n != name] for names in groups.values() if len(names) > 1 for name in names}


def _forgotten(name: str, value: object, modules: Collection[str]) -> bool:
    """A buffer of a module that the model has, which that module no longer registers."""
    if name.endswith(EXTRA_STATE) or not isinstance(value, Tensor):
        return False
    path, _, part = name.rpartition(".")
    known = part in _FORGOTTEN or not (value.is_floating_point() or value.is_complex())
    return known and path in modules


def _left(state: Mapping[str, object], given: Mapping[str, object]) -> list[str]:
    return [name for name in state if name not in given]


def _check_tensors(own: Mapping[str, Tensor], given: Mapping[str, object], file: str) -> None:
    for name, value in given.items():
        mine = own.get(name)
        if mine is None or not isinstance(value, Tensor):
            continue
        if not is_lazy(mine) and mine.shape != value.shape:
            raise ModelError(f"{file}: {name} has shape {tuple(value.shape)}, the model expects {tuple(mine.shape)}")
        if not _holds(mine, value):
            raise ModelError(
                f"{file}: {name} holds {_dtype(value)}, the model computes in {_dtype(mine)}; "
                "give the floating-point weights, not quantized or converted ones"
            )


def _holds(mine: Tensor, value: Tensor) -> bool:
    """Whether torch's copy keeps what the file means."""
    if value.is_quantized or value.is_complex() != mine.is_complex():
        return False
    return value.is_floating_point() or value.is_complex() or not mine.is_floating_point()


def _conversions(own: Mapping[str, Tensor], given: Mapping[str, object], file: str) -> list[str]:
    pairs = ((value, own[name]) for name, value in given.items() if isinstance(value, Tensor) and name in own)
    changed = {(_dtype(value), _dtype(mine)) for value, mine in pairs if _rounds(value.dtype, mine.dtype)}
    return [f"{file}: converted its {a} weights to the model's {b}" for a, b in sorted(changed)]


def _rounds(stored: torch.dtype, computed: torch.dtype) -> bool:
    return stored != computed and stored.is_floating_point and computed.is_floating_point


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
