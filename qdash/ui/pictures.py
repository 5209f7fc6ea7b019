"""Pictures that several pages show."""

from qdash.answers.stored import Sweep
from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import quantity
from qdash.charts.ranking import ranking_figure, ranking_frame
from qdash.ui import state
from qdash.ui.chart import show_chart

TOP = 12


def show_most_sensitive(sweep: Sweep, *, key: str, top: int = TOP) -> None:
    """The most sensitive layers of the current setting, redrawn as they get sharper."""
    metric = sweep.facts["metric"]
    by = quantity(
        state.answer(sweep)["ranked_by"], metric["name"], metric["difference_unit"], metric["higher_is_better"]
    )
    frame = ranking_frame(state.rows(sweep), by, top=top, types=layer_types(sweep.facts))
    show_chart(ranking_figure(frame, by, selected=state.selected_layer(sweep)), key, select=True)
