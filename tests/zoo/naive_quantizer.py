"""Quantization by the textbook: what is quantized of a module, and how."""

from typing import Any

import torch
from torch import Tensor, nn

PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


TABLES = (nn.Embedding, nn.EmbeddingBag)


def fake_quantize(x: Tensor, scale: Tensor, zero_point: float, low: int, high: int) -> Tensor:
    """The textbook formula with rounding before the zero point, in float32."""
    return (torch.clamp(torch.round(x / scale) + zero_point, low, high) - zero_point) * scale


def naive_weight(weight: Tensor, axis: int, bits: int) -> Tensor:
    """Symmetric narrow range, one scale for each index of the channel axis."""
    largest = weight.float().abs().amax([d for d in range(weight.dim()) if d != axis], keepdim=True).double()
    top = 2 ** (bits - 1) - 1
    scale = torch.where(largest > 0, largest / top, torch.ones_like(largest)).float()
    return fake_quantize(weight.float(), scale, 0.0, -top, top).to(weight.dtype)


def naive_input(x: Tensor, low: float, high: float) -> Tensor:
    """Affine int8 from a range that is widened to hold zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    if not x.numel() or not x.is_floating_point():
        return x
    scale = (high - low) / 255 if high > low else 1.0
    zero_point = min(max(round(-128 - low / scale), -128), 127) if high > low else 0
    return fake_quantize(x.float(), torch.tensor(scale), float(zero_point), -128, 127).to(x.dtype)


def weights_of(module: nn.Module) -> list[tuple[nn.Module, str, int]]:
    """(owner, parameter, channel axis) of everything that an integer runtime stores as integers."""
    if isinstance(module, (*PRODUCTS, *TABLES)):
        return [(module, "weight", 0)]
    if isinstance(module, TRANSPOSED) or type(module).__name__ == "Conv1D":
        return [(module, "weight", 1)]
    if isinstance(module, nn.MultiheadAttention):
        packed = module.in_proj_weight is not None
        names = ["in_proj_weight"] if packed else ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
        return [(module, name, 0) for name in names] + [(module.out_proj, "weight", 0)]
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return [(module, name, 0) for name, _ in module.named_parameters() if name.startswith("weight")]
    return [(module, name, 0) for name in ("u", "v") if type(module).__name__ == "LowRank"]


def inputs_of(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Places of the arguments that are quantized."""
    if isinstance(module, TABLES):
        return []
    if isinstance(module, nn.MultiheadAttention):
        return [*range(len(args[:3])), *(key for key in ("query", "key", "value") if key in kwargs)]
    return [0] if args else list(kwargs)[:1]
