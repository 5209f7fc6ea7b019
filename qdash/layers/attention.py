"""nn.MultiheadAttention."""

from typing import TYPE_CHECKING, Any, ClassVar

from qdash.layers.base import REGISTRY, LayerKind
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("attention")
class MultiheadAttention(LayerKind):
    """Multi-head attention: its projections' weights, packed or separate, and query, key and value on the way in."""

    note: ClassVar[str] = (
        "query, key, value and the weights of all four projections are quantized; the attention products and the "
        "input of the output projection stay FP32 (--include functional quantizes the products too)"
    )
    inner_operations: ClassVar[frozenset[str]] = frozenset({"matmul", "baddbmm", "scaled_dot_product_attention"})

    def module_types(self) -> tuple[type, ...]:
        from torch import nn

        return (nn.MultiheadAttention,)

    def inputs(self, module: "nn.Module") -> tuple[str, ...]:
        return ("query", "key", "value")

    def weights(self, module: "nn.Module") -> dict[str, int]:
        packed: Any = getattr(module, "_qkv_same_embed_dim", True)
        names = ("in_proj_weight",) if packed else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        return dict.fromkeys((*names, "out_proj.weight"), 0)

    def weight_macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        layer: Any = module
        tokens = [x.numel() // x.shape[-1] for x in args[:3]]
        widths = [layer.embed_dim, layer.kdim, layer.vdim]
        projected = sum(count * width for count, width in zip(tokens, widths, strict=True))
        return int((projected + tokens[0] * layer.embed_dim) * layer.embed_dim)

    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        layer: Any = module
        query, key = args[:2]
        sequence = 0 if query.dim() == 2 or not layer.batch_first else 1
        products = 2 * (query.numel() // query.shape[-1]) * int(key.shape[sequence]) * layer.embed_dim
        return self.weight_macs(module, args, output) + int(products)
