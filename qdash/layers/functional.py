"""Functional operations at one place of a model: products and sums of activations."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("functional")
class Functional(LayerKind):
    """`matmul`, attention, residual sums, `F.linear`: their operands are quantized as static INT8 carries them.

    Named by the module whose forward calls them (`encoder.self_attn#matmul_1`); only with `--include functional`. A
    weight given to `F.linear` or `F.conv2d` is quantized as weights are.
    """

    dynamic_granularity: ClassVar[str] = "per_sample"

    def module_types(self) -> tuple[type, ...]:
        from qdash.instrument.operations import Operation

        return (Operation,)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {}

    def inputs(self, module: "nn.Module") -> tuple[str, ...]:
        operation: Any = module
        inputs: tuple[str, ...] = operation.kind.inputs
        return inputs

    def weight_inputs(self, module: "nn.Module") -> Mapping[str, int]:
        operation: Any = module
        return {operation.kind.weight: 0} if operation.kind.weight else {}

    def type_name(self, module: "nn.Module") -> str:
        operation: Any = module
        name: str = operation.kind.name
        return name

    def channel_axis(self, module: "nn.Module") -> int:
        return -1

    def macs(self, module: "nn.Module", args: tuple[Any, ...], output: Any) -> int:
        return int(_MACS[self.type_name(module)](args, output))


def _product(args: tuple[Any, ...], output: Any) -> Any:
    return output.numel() * args[0].shape[-1]


def _product_after_bias(args: tuple[Any, ...], output: Any) -> Any:
    return output.numel() * args[1].shape[-1]


def _with_weight(args: tuple[Any, ...], output: Any) -> Any:
    return output.numel() * prod(args[1].shape[1:])


def _attention(args: tuple[Any, ...], output: Any) -> Any:
    query, key, value = args[:3]
    return query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _einsum(args: tuple[Any, ...], output: Any) -> Any:
    """The output's elements, each a sum over the letters that it lacks."""
    left, arrow, right = args[0].replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for letters, operand in zip(left.split(","), args[1:], strict=False):
        before, _, after = letters.partition("...")
        sizes |= dict(zip(before, operand.shape, strict=False))
        sizes |= dict(zip(reversed(after), reversed(operand.shape), strict=False))
    summed = [letter for letter in sizes if (letter not in right if arrow else left.count(letter) > 1)]
    return output.numel() * prod(sizes[letter] for letter in summed)


_MACS = {
    "matmul": _product,
    "addmm": _product_after_bias,
    "baddbmm": _product_after_bias,
    "add": lambda args, output: 0,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "linear": _with_weight,
    "conv1d": _with_weight,
    "conv2d": _with_weight,
    "conv3d": _with_weight,
}
