"""nn.LSTM, nn.GRU, nn.RNN and their cells."""

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("recurrent")
class Recurrent(LayerKind):
    """LSTM, GRU, RNN: weight_ih, weight_hh and projection of every layer and direction, and the input sequence."""

    note: ClassVar[str] = (
        "the hidden state between steps and between stacked layers stays FP32: only weights and the input sequence "
        "are quantized"
    )

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.RNNBase, nn.RNNCellBase)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        names: Any = getattr(module, "_flat_weights_names", ("weight_ih", "weight_hh"))
        return {name: 0 for name in names if name.startswith("weight_")}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        from qdash.instrument.weights import effective_weight

        data: Any = args[0].data  # of a tensor, or of a PackedSequence
        steps = int(prod(data.shape[:-1]))
        return steps * sum(effective_weight(module, name).numel() for name in self.weights(module))
