"""A sweep as a page looks at it: one setting and what was found under it, read once per redraw and handed down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qdash.answers.stored import Sweep
from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import Quantity, quantity
from qdash.records.facts import MetricFacts
from qdash.results.frontier import Point
from qdash.results.rows import LayerRow, measures_remaining
from qdash.results.sweep import SettingResult
from qdash.spec.setting import Setting
from qdash.ui import state


@dataclass(frozen=True)
class SweepView:
    """answer: what was found under the setting, shared and read-only."""

    sweep: Sweep
    setting: Setting
    answer: SettingResult

    @property
    def metric(self) -> MetricFacts:
        """The run's metric."""
        return self.sweep.facts.metric

    @property
    def layers(self) -> Sequence[LayerRow]:
        """All layers under the setting, worst first."""
        return self.answer.layers

    @property
    def remaining(self) -> bool:
        """Whether the model's output is measured with only one layer in FP32."""
        return measures_remaining(self.sweep.spec.method)

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The type of each layer in words."""
        return layer_types(self.sweep.facts)

    @cached_property
    def points(self) -> Sequence[Point]:
        """The measured curve, empty while nothing is measured."""
        return state.points(self.sweep.run.id, self.setting)

    def quantity(self, key: str) -> Quantity:
        """In the words and units of the run's metric and method."""
        metric = self.metric
        return quantity(key, metric.name, metric.difference_unit, metric.higher_is_better, remaining=self.remaining)


def look_at(sweep: Sweep) -> SweepView:
    """Under the selected setting."""
    setting = state.selected_setting(sweep)
    return SweepView(sweep, setting, state.answer(sweep, setting))
