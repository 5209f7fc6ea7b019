"""nn.Conv1d and nn.Conv2d."""

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("convolution")
class Convolution(LayerKind):
    """Convolution with a weight of shape (outputs, inputs per group, *kernel); grouped and depthwise too."""

    dynamic_granularity: ClassVar[str] = "per_sample"

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.Conv1d, nn.Conv2d)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 0}

    def macs(self, module: "nn.Module", args: tuple[Any, ...], output: Any) -> int:
        weight: Any = module.weight
        return int(output.numel() * prod(weight.shape[1:]))
