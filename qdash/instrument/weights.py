"""The weights that a module computes with: parameters, tensors set by a hook, parametrizations; and their exchange."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qdash.errors import ModelError
from qdash.instrument.computed import ComputedWeight, computed_weight


def effective_weight(module: nn.Module, path: str) -> Tensor:
    """The tensor that a forward uses, of any shape, detached.

    `path` is relative to the module (`weight`, `out_proj.weight`).
    """
    computed = _computed_at(module, path)
    if computed is not None and computed.weight is not None:
        return computed.weight
    return registered_weight(module, path)


def registered_weight(module: nn.Module, path: str) -> Tensor:
    """The tensor under its name, detached, whatever a forward makes of it; of any shape."""
    owner, name = _owner(module, path)
    with torch.no_grad():
        weight: Tensor = getattr(owner, name)
    return weight.detach()


def identity(module: nn.Module, path: str) -> int:
    """Equal for two weights that are one: the same stored tensor, or the same parametrization."""
    owner, name = _owner(module, path)
    parametrization = _parametrization(owner, name)
    return id(parametrization if parametrization is not None else getattr(owner, name))


def parameters_of(module: nn.Module, path: str) -> list[nn.Parameter]:
    """The parameters that a weight is made of: itself, or what its parametrization or hook computes it from."""
    owner, name = _owner(module, path)
    parametrization = _parametrization(owner, name)
    if parametrization is not None:
        return list(parametrization.parameters())
    weight = getattr(owner, name)
    if isinstance(weight, nn.Parameter):
        return [weight]
    named = owner.named_parameters(recurse=False)
    return [parameter for key, parameter in named if key.startswith(f"{name}_")]


@contextmanager
def exchanged(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The module with other weights inside the block; afterwards, also after an error, exactly as before.

    weights: path → tensor of the weight's shape.

    Raises ModelError where a weight can't be exchanged because a property computes it.
    """
    with _each(module, weights, _exchange):
        yield


@contextmanager
def substituted(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Like `exchanged`, but the forward sees the very tensors, so that gradients reach what they were computed from.

    weights: path → tensor of the weight's shape.

    Raises ModelError where a weight can't be substituted because a property computes it.
    """
    with _each(module, weights, _substitute):
        yield


@contextmanager
def _each(
    module: nn.Module, weights: Mapping[str, Tensor], put: Callable[[nn.Module, str, Tensor], Callable[[], None]]
) -> Iterator[None]:
    with ExitStack() as stack:
        for path, tensor in weights.items():
            computed = _computed_at(module, path)
            if computed is not None and computed.weight is not None:
                stack.enter_context(computed.replaced(tensor))
            else:
                stack.callback(put(module, path, tensor))
        yield


def _computed_at(module: nn.Module, path: str) -> ComputedWeight | None:
    found = computed_weight(module)
    return found if found is not None and found.path == path else None


def _substitute(module: nn.Module, path: str, tensor: Tensor) -> Callable[[], None]:
    owner, name = _owner(module, path)
    parametrization = _parametrization(owner, name)
    if parametrization is not None:
        return _exchange_forward(parametrization, tensor)
    registered: dict[str, Any]  # a plain tensor among the parameters is what torch.func.functional_call does too
    for registered in (owner._parameters, owner._buffers, vars(owner)):
        if name in registered:
            return _put(owner, registered, name, tensor)
    raise ModelError(_computed(module, path))


def _put(owner: nn.Module, registered: dict[str, Any], name: str, tensor: Tensor) -> Callable[[], None]:
    original = registered[name]
    registered[name] = tensor

    def restore() -> None:
        registered[name] = original
        setattr(owner, name, original)  # recurrent modules keep a list of their weights besides

    return restore


def _exchange(module: nn.Module, path: str, tensor: Tensor) -> Callable[[], None]:
    owner, name = _owner(module, path)
    parametrization = _parametrization(owner, name)
    if parametrization is not None:
        return _exchange_forward(parametrization, tensor)
    stored = getattr(owner, name)
    if getattr(owner, name) is not stored:
        raise ModelError(_computed(module, path))
    original = stored.data
    rescales = getattr(owner, "max_norm", None) is not None  # looking a row up writes into the table
    stored.data = tensor.clone() if rescales else tensor

    def restore() -> None:
        stored.data = original

    return restore


def _computed(module: nn.Module, path: str) -> str:
    return (
        f"{type(module).__name__}: its {path} is computed anew at each access, so it can't be quantized; keep it "
        "as a parameter, or use torch.nn.utils.parametrize"
    )


def _exchange_forward(parametrization: nn.Module, tensor: Tensor) -> Callable[[], None]:
    state = vars(parametrization)
    before = state.get("forward")
    state["forward"] = lambda: tensor

    def restore() -> None:
        if before is None:
            del state["forward"]
        else:
            state["forward"] = before

    return restore


def _owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return module.get_submodule(parent), name


def _parametrization(owner: nn.Module, name: str) -> nn.Module | None:
    lists = getattr(owner, "parametrizations", None)
    return lists[name] if isinstance(lists, nn.ModuleDict) and name in lists else None
