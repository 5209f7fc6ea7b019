"""Models and weights that can't be quantized as they are: refused, or skipped, with a reason and a way out."""

from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from qdash.errors import ModelError

_QUANTIZED = (
    "torch.ao.nn.quantized", "torch.ao.nn.qat", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.intrinsic.qat",
    "torch.ao.nn.sparse.quantized", "torch.ao.quantization.observer", "torch.ao.quantization.fake_quantize",
    "torchao.", "bitsandbytes.", "optimum.quanto.", "quanto.", "brevitas.",
)  # fmt: skip
_TENSOR_DISPATCH = Tensor.__torch_dispatch__


def check_fit(model: nn.Module) -> None:
    """Raises ModelError for exported and quantized modules, and for weights without values or rows."""
    for name, module in model.named_modules():
        if reason := _module_reason(module) or next(filter(None, map(_tensor_reason, _tensors(module))), ""):
            raise ModelError(f"{name or 'the model'} ({type(module).__name__}) {reason}")


def unfit_weights(module: nn.Module) -> str:
    """Why a module's own weights stay FP32; empty where nothing speaks against quantizing them."""
    if any(p is not None and not is_lazy(p) and p.is_complex() for p in module.parameters()):
        return "its weights are complex; they stay FP32"
    return ""


def _module_reason(module: nn.Module) -> str:
    if isinstance(module, torch.jit.ScriptModule):
        return "is a TorchScript module and can't be looked into; load the eager model"
    if isinstance(module, fx.GraphModule) and any(_is_operator(node) for node in module.graph.nodes):
        return "is an exported module (torch.export), a graph without layers; give the eager model"
    if any(f"{kind.__module__}.".startswith(_QUANTIZED) for kind in type(module).__mro__):
        return "is quantized or observed already; give the float model, before prepare and convert"
    return ""


def _is_operator(node: fx.Node) -> bool:
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for named in (module._parameters, module._buffers):
        yield from ((name, tensor) for name, tensor in named.items() if tensor is not None and not is_lazy(tensor))


def _tensor_reason(named: tuple[str, Tensor]) -> str:
    name, tensor = named
    if tensor.device.type == "meta":
        return f"holds {name} on the meta device, which has no values; build the model on the CPU"
    if tensor.layout != torch.strided:
        return f"holds {name} as a sparse tensor ({tensor.layout}); make it dense: {name}.to_dense()"
    if tensor.is_quantized or type(tensor).__torch_dispatch__ is not _TENSOR_DISPATCH:
        return f"holds {name} quantized or packed ({type(tensor).__name__}); give the float model"
    return ""
