"""nn.Linear."""

from typing import TYPE_CHECKING, Any

from qdash.layers.base import REGISTRY, LayerKind

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("linear")
class Linear(LayerKind):
    """Matrix product with a weight of shape (outputs, inputs); one scale per output where per channel."""

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.Linear,)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 0}

    def macs(self, module: "nn.Module", args: tuple[Any, ...], output: Any) -> int:
        weight: Any = module.weight
        return int(output.numel()) * int(weight.shape[1])
