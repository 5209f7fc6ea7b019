"""Pictures that several pages show."""

from qdash.charts.ranking import ranking_figure, ranking_frame
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.view import SweepView

TOP = 12


def show_most_sensitive(view: SweepView, *, key: str, top: int = TOP) -> None:
    """The most sensitive layers of the current setting, redrawn as they get sharper."""
    by = view.quantity(view.answer.ranked_by)
    frame = ranking_frame(view.layers, by, top=top, types=view.types)
    show_chart(ranking_figure(frame, by, selected=state.selected_layer(view.sweep)), key, select=True)
