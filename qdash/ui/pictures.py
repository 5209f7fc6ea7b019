"""Pictures that several pages show."""

import streamlit as st

from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import quantity
from qdash.charts.ranking import ranking_figure, ranking_frame
from qdash.history import Sweep
from qdash.ui import state
from qdash.ui.words import escaped, help_text

TOP = 12
ROW_PX, AROUND_PX = 21, 80


def show_most_sensitive(sweep: Sweep, *, key: str, top: int = TOP) -> None:
    """The most sensitive layers of the current setting, redrawn as they get sharper."""
    metric = sweep.facts["metric"]
    by = quantity(
        state.result(sweep.run.id)["ranked_by"],
        metric["name"],
        metric["difference_unit"],
        metric["higher_is_better"],
    )
    frame = ranking_frame(state.rows(sweep), by, top=top, types=layer_types(sweep.facts))
    figure = ranking_figure(frame, by, selected=state.selected_layer(sweep))
    # Above the picture, where it wraps on a narrow screen.
    st.markdown(f"**{escaped(figure.layout.title.text)}**", help=help_text(by.key))
    figure.update_layout(title=None, margin={"t": 24})
    height = AROUND_PX + ROW_PX * min(top, len(frame))
    st.plotly_chart(figure, key=key, height=height, config={"displayModeBar": False})
