"""nn.Embedding and nn.EmbeddingBag."""

from typing import TYPE_CHECKING, ClassVar

from qdash.layers.base import REGISTRY, LayerKind, Operator
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("embedding")
class Embedding(LayerKind):
    """Table of vectors: one scale per row where per channel. Its inputs are integers, so only weights are quantized."""

    quantizes_input: ClassVar[bool] = False
    operations: ClassVar[tuple[Operator, ...]] = (Operator("aten.embedding.default", inputs=(1,), weight=0),)

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.Embedding, nn.EmbeddingBag)

    def weights(self, module: "nn.Module") -> dict[str, int]:
        return {"weight": 0}

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        """A look-up multiplies nothing."""
        return 0
