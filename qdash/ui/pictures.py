"""Pictures that several pages show."""

import streamlit as st

from qdash.charts.quantities import quantity
from qdash.charts.ranking import ranking_figure, ranking_frame
from qdash.history import Sweep
from qdash.ui import state

TOP = 12
ROW_PX, AROUND_PX = 22, 110


def show_most_sensitive(sweep: Sweep, *, key: str, top: int = TOP) -> None:
    """The most sensitive layers of the current setting, redrawn as they get sharper."""
    metric = sweep.facts["metric"]
    by = quantity(
        state.result(sweep.run.id)["ranked_by"],
        metric["name"],
        metric["difference_unit"],
        metric["higher_is_better"],
    )
    frame = ranking_frame(state.rows(sweep), by, top=top)
    figure = ranking_figure(frame, by, selected=state.selected_layer(sweep))
    height = AROUND_PX + ROW_PX * min(top, len(frame))
    st.plotly_chart(figure, key=key, height=height, config={"displayModeBar": False})
