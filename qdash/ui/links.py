"""Buttons that lead to another page and keep what is looked at."""

import streamlit as st

from qdash.ui import state


def go_button(label: str, page: str, *, icon: str, primary: bool = False, run: str | None = None) -> None:
    """Opens `page` (such as `pages/layers.py`) with the current run, or with `run`."""
    kind = "primary" if primary else "secondary"
    if st.button(label, icon=icon, type=kind, key=f"go_{label}_{run}"):  # type: ignore[arg-type]
        if run is not None:
            state.select_run(run)
        st.switch_page(page, query_params=state.link())
