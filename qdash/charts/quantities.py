"""What a layer can be measured by: its name, unit, interval, direction, and how a value is written."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from qdash.results.text import decibels, nats, points

LEFT = " left"


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


def quantity(
    key: str, metric: str = "", unit: str = "points", higher_is_better: bool = True, *, remaining: bool = False
) -> Quantity:
    """The quantity of a key; `metric`, `unit` and `higher_is_better` describe the run's metric.

    remaining: the method is leave_one_out, so what concerns the model's output is what remains with only this layer in
    FP32.
    """
    found = QUANTITIES[key]
    if key == "metric_delta":
        title = f"{metric.replace('_', ' ').capitalize() or 'Metric'} change against FP32"
        found = replace(
            found,
            title=title,
            unit=unit,
            larger_is_worse=not higher_is_better,
            written=lambda value: points(value, unit),
        )
    if remaining and key.startswith(("model_output", "metric")):
        found = replace(found, title=f"{found.title}{LEFT}")
    return found
