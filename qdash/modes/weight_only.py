"""Weights quantized, inputs FP32."""

from typing import ClassVar

from qdash.modes.base import REGISTRY, Mode


@REGISTRY.register("weight_only")
class WeightOnly(Mode):
    """Only the weights are quantized; inputs stay FP32.

    Prefer it where reading weights dominates: large language models, LSTMs at batch size 1. It shrinks the model and
    needs no calibration data for its ranges; it saves no arithmetic.
    """

    quantizes_inputs: ClassVar[bool] = False
