"""Weights quantized ahead, input ranges taken from each input."""

from typing import ClassVar

from qdash.modes.base import REGISTRY, Mode


@REGISTRY.register("dynamic")
class Dynamic(Mode):
    """Weights are quantized ahead; the range of every input is taken as it comes.

    Prefer it for LSTMs and transformers, where reading weights dominates: the range follows each input (per token for
    linear layers, per sample for convolutions), which can be more accurate, and costs time at run time. As deployed by
    torch (`quantize_dynamic`, one range a call and one scale a weight): `--activation-granularity per_tensor
    --weight-granularity per_tensor`.
    """

    live_ranges: ClassVar[bool] = True
