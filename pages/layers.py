"""Layers: which of them hurt, and why."""

import streamlit as st

from qdash.ui import progress, state
from qdash.ui.guards import sweep_or_stop
from qdash.ui.layers.agreement import going_on
from qdash.ui.layers.answer import answer
from qdash.ui.layers.controls import controls
from qdash.ui.layers.panel import show_layer
from qdash.ui.layers.table import show_table
from qdash.ui.layers.tabs import show_tabs
from qdash.ui.words import escaped, help_text

st.title("Which layers hurt, and why?")
opened = sweep_or_stop()
moving = going_on(opened)


@st.fragment(run_every=2 * progress.POLL_S if moving else None)
def look(run_id: str) -> None:
    """Redrawn while the run, or a measurement of what it estimates, goes on, and at every choice and click."""
    sweep = state.load(run_id)
    if moving and not going_on(sweep):
        st.rerun()
    place = st.container()
    view = controls(sweep)
    place.subheader(escaped(answer(view)), help=help_text("damage"))
    if not sweep.run.final:
        progress.show_progress(sweep.run)
    if view.shown is None or not view.rows:
        st.info("No layer has such a name. Take a word away.", icon=":material/filter_alt_off:")
        return
    pictures, panel = st.columns([11, 9], gap="medium")
    with pictures:
        show_tabs(view)
    with panel, st.container(border=True, key="layer_panel"):
        show_layer(view, view.shown)
    show_table(view)


look(opened.run.id)
