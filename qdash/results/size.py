"""What a mixed model weighs: quantized weights, their scales, and everything that stays FP32."""

from collections.abc import Iterable
from math import prod

from qdash.formats.base import Format
from qdash.granularities.base import Granularity
from qdash.records.facts import LayerFacts, RunFacts, WeightFacts
from qdash.records.names import among
from qdash.registry import family
from qdash.spec.setting import Setting

_BITS_FP32 = 32


def size_mb(facts: RunFacts, setting: Setting, keep: Iterable[str] = ()) -> float:
    """MB (10⁶ bytes) of all parameters with every layer quantized but `keep`.

    One FP32 scale per row of a weight, or the scales that a format's blocks have.
    """
    kept, grid = set(keep), _grid(setting)
    bits = float(facts.params * _BITS_FP32)
    return (bits - sum(_saved_bits(layer, *grid) for layer in facts.layers if not among(layer.layer, kept))) / 8e6


def saved_mb(layer: LayerFacts, setting: Setting) -> float:
    """MB that quantizing one layer saves."""
    return _saved_bits(layer, *_grid(setting)) / 8e6


def fp32_mb(facts: RunFacts) -> float:
    """MB of all parameters in FP32."""
    return float(facts.params) * 4 / 1e6


def _grid(setting: Setting) -> tuple[Format, Granularity]:
    formats, granularities = family("formats"), family("granularities")
    return formats.create(setting.weight_format), granularities.create(setting.weight_granularity)


def _saved_bits(layer: LayerFacts, format: Format, granularity: Granularity) -> float:
    if format.lossless:
        return 0.0
    saved = 0.0
    for weight in layer.weights.values():
        channels, length = _rows(weight)
        scales = granularity.scales(channels, length) if format.needs_range else 0
        saved += (channels * length - scales) * _BITS_FP32 - format.storage_bits(channels, length)
    return saved


def _rows(weight: WeightFacts) -> tuple[int, int]:
    """(channels, values of a channel)."""
    channels = weight.shape[weight.axis]
    return channels, prod(weight.shape) // channels if channels else 0
