"""Pictures that several pages show."""

import streamlit as st

from qdash.history import Sweep


def show_most_sensitive(sweep: Sweep, *, key: str, top: int = 12) -> None:
    """The most sensitive layers of the current setting, redrawn as they get sharper."""
    st.write("picture")
