"""The row of controls on the layers page: setting, ranking, order, how many, which names; all in the URL."""

import streamlit as st

from qdash.answers.stored import Sweep
from qdash.charts.quantities import Quantity
from qdash.results.ranking import RANKINGS, default_ranking, worst_first
from qdash.spec.layers import matches
from qdash.ui import state
from qdash.ui.layers.view import LayerView
from qdash.ui.view import SweepView, look_at
from qdash.ui.words import help_text

WORST, NETWORK = "Worst first", "Network order"
SHOWN, MOST_SHOWN = 40, 500


def controls(sweep: Sweep) -> LayerView:
    """Draws the row and reads it."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="layers_controls"):
        choose_setting(sweep)
        view = look_at(sweep)
        by = _choose_ranking(view)
        order = st.segmented_control(
            "Order", [WORST, NETWORK], default=WORST, required=True, key="order", bind="query-params"
        )
        top = _choose_top(len(view.layers))
        text = st.text_input(
            "Only layers", key="only", bind="query-params", placeholder="part of a name, or *.fc1", width=210
        )
    rows = worst_first([row for row in view.layers if named(row.layer, text)], by.key)
    shown = state.selected_layer(sweep) or (rows[0].layer if rows else None)
    return LayerView(
        sweep=sweep,
        setting=view.setting,
        answer=view.answer,
        rows=rows,
        by=by,
        by_network=order == NETWORK,
        top=top,
        shown=shown,
    )


def choose_setting(sweep: Sweep) -> None:
    """Where the run has several settings: which one is looked at, on every page."""
    settings = {setting.key: setting.label for setting in sweep.spec.settings()}
    if len(settings) < 2:
        return
    st.session_state["setting_chosen"] = state.selected_setting(sweep).key
    st.selectbox(
        "Setting",
        list(settings),
        format_func=settings.__getitem__,
        key="setting_chosen",
        on_change=lambda: state.select_setting(st.session_state["setting_chosen"]),
        help="How every layer was quantized. The heatmap compares all settings.",
        width=290,
    )


def named(layer: str, text: str) -> bool:
    """Whether a layer's name holds the text, or matches it where it is a pattern; several with commas.

    >>> named("blocks.0.conv_dw", "dw"), named("blocks.0.conv_dw", "conv_*"), named("fc", " ")
    (True, False, True)
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return not parts or any(
        matches(layer, part) if set(part) & set("*?[") else part.lower() in layer.lower() for part in parts
    )


def _choose_ranking(view: SweepView) -> Quantity:
    measured = [key for key in RANKINGS if any(row.number(key) is not None for row in view.layers)]
    quantities = {key: view.quantity(key) for key in measured or ["model_output_sqnr_db"]}
    default = default_ranking(view.layers)
    key = st.selectbox(
        "Rank by",
        list(quantities),
        index=list(quantities).index(default) if default in quantities else 0,
        format_func=lambda key: quantities[key].title,
        key="by",
        bind="query-params",
        help="\n\n".join(f"**{q.title}**, {q.unit}: {help_text(key)}" for key, q in quantities.items()),
        width=250,
    )
    return quantities[key]


def _choose_top(layers: int) -> int:
    if layers <= SHOWN:
        return layers
    most = min(layers, MOST_SHOWN)
    top = st.number_input(
        "Show at most",
        1,
        most,
        min(SHOWN, most),
        step=10,
        key="top",
        bind="query-params",
        width=130,
        help="Layers in the ranking.",
    )
    return int(top)
