"""What has been measured of an estimate; the tab Agreement draws it."""

import pandas as pd

from qdash.answers.agreement import estimates, measuring_runs
from qdash.answers.stored import Sweep
from qdash.charts.agreement import agreement_frame
from qdash.results.agreement import most_sampled
from qdash.results.rows import LayerRow
from qdash.spec.setting import Setting
from qdash.store.runs import Run
from qdash.ui import state
from qdash.ui.layers.view import LayerView


def going_on(sweep: Sweep) -> bool:
    """Whether more will come by itself: the run is not over, or a measurement of what it estimates isn't."""
    return not sweep.run.final or any(not run.final for run in runs_of(sweep, state.selected_setting(sweep)))


def runs_of(sweep: Sweep, setting: Setting) -> list[Run]:
    """The sweeps that measure what this one estimates under a setting; none where it measures itself."""
    if not estimates(sweep.spec):
        return []
    return measuring_runs(state.store(), sweep.spec, setting, sweep.facts.weights_digest)


def measured_in(runs: list[Run], setting: Setting) -> dict[str, LayerRow]:
    """Each layer's row from the run with the most samples of it."""
    return most_sampled(row for run in runs for row in state.rows_of(run, setting))


def estimated_and_measured(view: LayerView) -> pd.DataFrame:
    """The `agreement_frame` of an estimate under the selected setting."""
    return agreement_frame(view.layers, measured_in(runs_of(view.sweep, view.setting), view.setting), view.types)
