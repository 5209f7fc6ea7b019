"""What a layer can be measured by: its name, unit, interval, direction, and how a value is written."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from qdash.results.text import decibels, nats, points


@dataclass(frozen=True)
class Quantity:
    """key: of the sweep JSON. low, high: keys of its 95 % interval, empty where it has none."""

    key: str
    title: str
    unit: str
    larger_is_worse: bool
    written: Callable[[float | None], str]
    low: str = ""
    high: str = ""

    @property
    def axis(self) -> str:
        """For an axis, with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def worse(self, value: float) -> float:
        """Rises with the damage."""
        return value if self.larger_is_worse else -value


def _measured(key: str, title: str, unit: str, larger_is_worse: bool, written: Callable[..., str]) -> Quantity:
    return Quantity(key, title, unit, larger_is_worse, written, f"{key}_low", f"{key}_high")


_ALL = (
    _measured("model_output_kl", "Model-output KL", "nats", True, nats),
    _measured("model_output_sqnr_db", "Model-output SQNR", "dB", False, decibels),
    _measured("metric_delta", "Metric change against FP32", "points", False, points),
    Quantity("layer_output_sqnr_db", "Layer-output SQNR", "dB", False, decibels),
    Quantity("weight_sqnr_db", "Weight SQNR", "dB", False, decibels),
    Quantity("input_sqnr_db", "Input SQNR", "dB", False, decibels),
    Quantity("cumulative_sqnr_db", "Cumulative SQNR", "dB", False, decibels),
)
QUANTITIES = {quantity.key: quantity for quantity in _ALL}


def quantity(key: str, metric: str = "", unit: str = "points", higher_is_better: bool = True) -> Quantity:
    """The quantity of a key; `metric`, `unit` and `higher_is_better` describe the run's metric."""
    found = QUANTITIES[key]
    if key != "metric_delta":
        return found
    title = f"{metric.replace('_', ' ').capitalize() or 'Metric'} change against FP32"
    return Quantity(key, title, unit, not higher_is_better, lambda value: points(value, unit), found.low, found.high)


def finite(value: float | None) -> bool:
    """Whether it can be drawn."""
    return value is not None and math.isfinite(value)
