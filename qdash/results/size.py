"""What a mixed model weighs: quantized weights, their scales, and everything that stays FP32."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from qdash.registry import family
from qdash.spec import Setting

_BITS_FP32 = 32


def size_mb(facts: Mapping[str, Any], setting: Setting, keep: Iterable[str] = ()) -> float:
    """MB (10⁶ bytes) of all parameters with every layer quantized but `keep`; one FP32 scale per row of a weight."""
    kept = set(keep)
    bits = float(facts["params"] * _BITS_FP32)
    format = family("formats").create(setting.weight_format)
    for layer in facts["layers"]:
        if layer["layer"] not in kept and not format.lossless:
            for weight in layer["weights"].values():
                count = prod(weight["shape"])
                bits += count * (format.bits_per_value - _BITS_FP32) + _scales(weight, setting) * _BITS_FP32
    return bits / 8e6


def fp32_mb(facts: Mapping[str, Any]) -> float:
    """MB of all parameters in FP32."""
    return float(facts["params"]) * 4 / 1e6


def _scales(weight: Mapping[str, Any], setting: Setting) -> int:
    shape, name = weight["shape"], setting.weight_granularity
    if name.startswith("per_group"):
        size = getattr(family("granularities").create(name), "size", 1)
        return int(prod(shape) // size)
    return int(shape[weight["axis"]]) if name == "per_channel" else 1
