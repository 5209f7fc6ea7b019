"""nn.Linear, and Hugging Face's Conv1D, which is one with its weight transposed."""

from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind, Operator
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("linear")
class Linear(LayerKind):
    """Matrix product with a weight of shape (outputs, inputs); one scale per output where per channel."""

    operations: ClassVar[tuple[Operator, ...]] = (Operator("aten.linear.default", inputs=(0,), weight=1, bias=2),)

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.Linear,)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 0}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        features: Any = module.in_features
        return int(output.numel()) * int(features)


@REGISTRY.register("transformers_conv1d")
class TransformersConv1D(LayerKind):
    """Hugging Face's `Conv1D` (GPT-2): a linear layer with weight (inputs, outputs), so the channel axis is 1."""

    operations: ClassVar[tuple[Operator, ...]] = (
        Operator("aten.addmm.default", inputs=(1,), weight=2, bias=0, channel_axis=1),
    )
    classes: ClassVar[tuple[str, str]] = ("transformers.", "Conv1D")

    def module_types(self) -> tuple[type, ...]:
        return ()

    def distance(self, module: "nn.Module") -> int | None:
        """By the class's name, so that the library is not needed."""
        package, name = self.classes
        places = [i for i, c in enumerate(type(module).__mro__) if c.__name__ == name]
        return next((i for i in places if type(module).__mro__[i].__module__.startswith(package)), None)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 1}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        return int(output.numel()) * int(args[0].shape[-1])
