"""The tabs of the layers page: the members of `views` that fit the run, of which only the open one is drawn."""

import streamlit as st

from qdash.ui.layers.view import LayerView
from qdash.ui.views.base import REGISTRY


def show_tabs(view: LayerView) -> None:
    """A hidden tab is not computed."""
    views = sorted((entry.create() for entry in REGISTRY), key=lambda member: (member.order, member.label))
    fitting = [member for member in views if member.fits(view)]
    tabs = st.tabs([member.label for member in fitting], on_change="rerun", key="view", bind="query-params")
    for tab, member in zip(tabs, fitting, strict=True):
        if tab.open:
            with tab:
                member.draw(view)
