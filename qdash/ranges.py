"""From statistics and a setting to scales: the step between calibration and quantization, without torch."""

from typing import Any

import numpy as np

from qdash.quant.affine import QuantParameters
from qdash.quant.statistics import Statistics
from qdash.registry import family
from qdash.spec import Setting


def clipping_range(statistics: Statistics, observer: str, format: str, scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of shape (rows,) that an observer chooses for a format."""
    low, high = (
        family("observers").create(observer).clipping_range(statistics, family("formats").create(format), scheme)
    )
    return low, high


def input_parameters(statistics: Statistics, setting: Setting) -> QuantParameters:
    """Scale and zero point, shape (1,), of a layer's input in static mode."""
    format, scheme = setting.activation_format, setting.activation_scheme
    low, high = clipping_range(statistics, setting.observer, format, scheme)
    parameters: QuantParameters = family("formats").create(format).parameters(low, high, scheme)
    return parameters


def weight_parameters(rows: Any, setting: Setting) -> QuantParameters:
    """Scale and zero point, shape (rows,), of a weight given as (rows, values) float32."""
    format, scheme = setting.weight_format, setting.weight_scheme
    low, high = clipping_range(Statistics.from_values(rows), setting.observer, format, scheme)
    parameters: QuantParameters = family("formats").create(format).parameters(low, high, scheme)
    return parameters
