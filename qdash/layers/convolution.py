"""nn.Conv1d, nn.Conv2d and nn.Conv3d, and their transposes."""

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind, Operator
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("convolution")
class Convolution(LayerKind):
    """Convolution with a weight of shape (outputs, inputs per group, *kernel); grouped and depthwise too."""

    dynamic_granularity: ClassVar[str] = "per_sample"
    operations: ClassVar[tuple[Operator, ...]] = tuple(
        Operator(f"aten.conv{n}d.{overload}", inputs=(0,), weight=1, bias=2)
        for n in (1, 2, 3)
        for overload in ("default", "padding")
    )

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.Conv1d, nn.Conv2d, nn.Conv3d)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 0}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        layer: Any = module
        return int(output.numel()) * int(layer.in_channels // layer.groups * prod(layer.kernel_size))


@REGISTRY.register("transposed_convolution")
class TransposedConvolution(LayerKind):
    """Transposed convolution with a weight of shape (inputs, outputs per group, *kernel): the channel axis is 1.

    With groups, an integer runtime has one scale for each index of axis 1, which all groups share: ONNX's
    QuantizeLinear takes one axis, and (group, output) is two. So a depthwise one has one scale for all.
    """

    dynamic_granularity: ClassVar[str] = "per_sample"
    operations: ClassVar[tuple[Operator, ...]] = tuple(
        Operator(f"aten.conv_transpose{n}d.{overload}", inputs=(0,), weight=1, bias=2, channel_axis=1)
        for n, overload in ((1, "default"), (2, "input"), (3, "input"))
    )
    note: ClassVar[str] = "with groups, the groups share the scales of axis 1, as an integer runtime has them"

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 1}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        """Every input value meets each weight of its channel."""
        layer: Any = module
        return int(args[0].numel()) * int(layer.out_channels // layer.groups * prod(layer.kernel_size))
