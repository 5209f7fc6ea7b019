"""Functional operations at one place of a model: products and sums of activations."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar

from qdash.layers.base import REGISTRY, LayerKind, Operator
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn

    from qdash.instrument.operations import Kind


@REGISTRY.register("functional")
class Functional(LayerKind):
    """`matmul`, attention, residual sums, `F.linear`: their operands are quantized as static INT8 carries them.

    Named by the module whose forward calls them (`encoder.self_attn#matmul_1`); only with `--include functional`. A
    weight given to `F.linear` or `F.conv2d` is quantized as weights are.
    """

    dynamic_granularity: ClassVar[str] = "per_sample"
    operations: ClassVar[tuple[Operator, ...]] = (
        *(Operator(f"aten.{name}.default", inputs=(0, 1)) for name in ("matmul", "mm", "bmm")),
        *(Operator(f"aten.{name}.default", inputs=(1, 2)) for name in ("addmm", "baddbmm")),
        Operator("aten.add.Tensor", inputs=(0, 1)),
        Operator("aten.scaled_dot_product_attention.default", inputs=(0, 1, 2)),
    )

    def module_types(self) -> tuple[type, ...]:
        from qdash.instrument.operations import Operation

        return (Operation,)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {}

    def inputs(self, module: "nn.Module") -> tuple[str, ...]:
        return _kind(module).inputs

    def weight_inputs(self, module: "nn.Module") -> Mapping[str, int]:
        weight = _kind(module).weight
        return {weight: 0} if weight else {}

    def type_name(self, module: "nn.Module") -> str:
        return _kind(module).name

    def channel_axis(self, module: "nn.Module") -> int:
        return -1

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        return _MACS[self.type_name(module)](args, output)


def _kind(module: "nn.Module") -> "Kind":
    from qdash.instrument.operations import Operation

    assert isinstance(module, Operation), "distance has seen to it"
    return module.kind


def _product(args: Args, output: Output) -> int:
    return int(output.numel() * args[0].shape[-1])


def _product_after_bias(args: Args, output: Output) -> int:
    return int(output.numel() * args[1].shape[-1])


def _with_weight(args: Args, output: Output) -> int:
    return int(output.numel() * prod(args[1].shape[1:]))


def _attention(args: Args, output: Output) -> int:
    query, key, value = args[:3]
    return int(query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _einsum(args: Args, output: Output) -> int:
    """The output's elements, each a sum over the letters that it lacks."""
    left, arrow, right = args[0].replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for letters, operand in zip(left.split(","), args[1:], strict=False):
        before, _, after = letters.partition("...")
        sizes |= dict(zip(before, operand.shape, strict=False))
        sizes |= dict(zip(reversed(after), reversed(operand.shape), strict=False))
    summed = [letter for letter in sizes if (letter not in right if arrow else left.count(letter) > 1)]
    return int(output.numel() * prod(sizes[letter] for letter in summed))


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
