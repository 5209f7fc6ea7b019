"""Weights quantized ahead, input ranges taken from each input."""

from typing import ClassVar

from qdash.modes.base import REGISTRY, Mode


@REGISTRY.register("dynamic")
class Dynamic(Mode):
    """Weights are quantized ahead; the range of every input is taken as it comes.

    Prefer it for LSTMs and transformers, where reading weights dominates: the range follows each input (per token for
    linear layers, per sample for convolutions), which can be more accurate, and costs time at run time.
    """

    live_ranges: ClassVar[bool] = True
