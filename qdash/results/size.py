"""What a mixed model weighs: quantized weights, their scales, and everything that stays FP32."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from qdash.registry import family
from qdash.spec import Setting

_BITS_FP32 = 32


def size_mb(facts: Mapping[str, Any], setting: Setting, keep: Iterable[str] = ()) -> float:
    """MB (10⁶ bytes) of all parameters with every layer quantized but `keep`.

    One FP32 scale per row of a weight, or the scales that a format's blocks have.
    """
    kept = set(keep)
    bits = float(facts["params"] * _BITS_FP32)
    format = family("formats").create(setting.weight_format)
    for layer in facts["layers"]:
        if layer["layer"] not in kept and not format.lossless:
            for weight in layer["weights"].values():
                channels, length = _rows(weight)
                scales = _scales(channels, length, setting) if format.needs_range else 0
                bits += format.storage_bits(channels, length) + (scales - channels * length) * _BITS_FP32
    return bits / 8e6


def fp32_mb(facts: Mapping[str, Any]) -> float:
    """MB of all parameters in FP32."""
    return float(facts["params"]) * 4 / 1e6


def _rows(weight: Mapping[str, Any]) -> tuple[int, int]:
    """(channels, values of a channel)."""
    channels = int(weight["shape"][weight["axis"]])
    return channels, prod(weight["shape"]) // channels if channels else 0


def _scales(channels: int, length: int, setting: Setting) -> int:
    granularity = family("granularities").create(setting.weight_granularity)
    return int(granularity.scales(channels, length))
