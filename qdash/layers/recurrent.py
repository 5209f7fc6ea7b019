"""nn.LSTM, nn.GRU, nn.RNN and their cells."""

import re
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("recurrent")
class Recurrent(LayerKind):
    """LSTM, GRU, RNN: weight_ih, weight_hh and projection of every layer and direction, and the input sequence.

    Each stacked layer and direction is a row of its own (`lstm#l0`, `lstm#l0_reverse`, `lstm#l1`); the input belongs to
    `#l0`, as both directions read the same.
    """

    is_one_kernel: ClassVar[bool] = True
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

    def parts(self, module: "nn.Module") -> Mapping[str, LayerKind]:
        names = [name.partition("weight_ih_")[2] for name in self.weights(module) if name.startswith("weight_ih_")]
        return {name: RecurrentPart(part=name) for name in names} if len(names) > 1 else {}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        from qdash.instrument.weights import effective_weight

        data: Any = args[0].data  # of a tensor, or of a PackedSequence
        steps = int(prod(data.shape[:-1]))
        return steps * sum(effective_weight(module, name).numel() for name in self.weights(module))


class RecurrentPart(Recurrent):
    """One stacked layer in one direction. part: `l0`, `l0_reverse`, `l1`, … as torch names its weights."""

    part: str

    def parts(self, module: "nn.Module") -> Mapping[str, LayerKind]:
        return {}

    def inputs(self, module: "nn.Module") -> tuple[str, ...]:
        return ("input",) if self.part == "l0" else ()

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {name: axis for name, axis in super().weights(module).items() if name.endswith(f"_{self.part}")}

    def share(self, module: "nn.Module") -> float:
        from qdash.instrument.weights import effective_weight

        sizes = {name: effective_weight(module, name).numel() for name in super().weights(module)}
        return sum(sizes[name] for name in self.weights(module)) / sum(sizes.values())

    def own_parameters(self, module: "nn.Module") -> "list[nn.Parameter]":
        own = re.compile(rf"_{self.part}(_[gv])?$")  # weight normalisation adds letters
        return [p for name, p in module.named_parameters(recurse=False) if own.search(name)]
