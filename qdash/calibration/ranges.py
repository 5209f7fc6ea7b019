"""From statistics and a setting to scales: the step between calibration and quantization, without torch."""

from typing import Any

import numpy as np

from qdash.quant.affine import QuantParameters
from qdash.quant.statistics import Statistics
from qdash.registry import family
from qdash.spec.setting import Setting


def clipping_range(statistics: Statistics, observer: str, format: str, scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of shape (rows,) that an observer chooses for a format that needs a range.

    Where the format has no zero point, the range is symmetric whatever the scheme.
    """
    grid = family("formats").create(format)
    used = scheme if grid.has_zero_point else "symmetric"
    low, high = family("observers").create(observer).clipping_range(statistics, grid, used)
    return low, high


def input_parameters(statistics: Statistics, setting: Setting) -> QuantParameters:
    """Scale and zero point, shape (1,), of a layer's input in static mode."""
    return _parameters(statistics, setting, setting.activation_format, setting.activation_scheme)


def weight_parameters(rows: Any, setting: Setting) -> QuantParameters:
    """Scale and zero point, shape (rows,), of a weight given as (rows, values) float32."""
    return _parameters(Statistics.from_values(rows), setting, setting.weight_format, setting.weight_scheme)


def _parameters(statistics: Statistics, setting: Setting, format: str, scheme: str) -> QuantParameters:
    low, high = clipping_range(statistics, setting.observer, format, scheme)
    grid = family("formats").create(format)
    parameters: QuantParameters = grid.parameters(low, high, scheme, setting.power_of_two_scales)
    return parameters
