"""Weights and input ranges fixed after one calibration pass."""

from qdash.modes.base import REGISTRY, Mode


@REGISTRY.register("static")
class Static(Mode):
    """Post-training static quantization: input ranges are calibrated once, then fixed.

    Prefer it for speed: no range is computed at run time and no conversion is needed between layers. It needs
    representative data (about 100 mini-batches) and calibration again when the data drift.
    """
