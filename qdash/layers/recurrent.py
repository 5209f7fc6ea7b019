"""nn.LSTM."""

from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("lstm")
class Lstm(LayerKind):
    """LSTM: weight_ih and weight_hh of every layer and direction, and the input sequence."""

    note: ClassVar[str] = (
        "the hidden state between steps and between stacked layers stays FP32: only weights and the input sequence "
        "are quantized"
    )

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.LSTM,)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {name: 0 for name, _ in module.named_parameters(recurse=False) if name.startswith("weight_")}

    def macs(self, module: "nn.Module", args: tuple[Any, ...], output: Any) -> int:
        data: Any = args[0].data  # of a tensor, or of a PackedSequence
        steps = int(data.numel()) // int(data.shape[-1])
        return steps * sum(p.numel() for n, p in module.named_parameters(recurse=False) if n in self.weights(module))
