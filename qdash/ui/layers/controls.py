"""The row of controls on the layers page: setting, ranking, order, how many, which names; all in the URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from qdash.answers.agreement import estimates
from qdash.answers.stored import Sweep
from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import Quantity, quantity
from qdash.charts.ranking import ranking_frame
from qdash.registry import family
from qdash.results.leave_one_out import leaves_one_out
from qdash.results.ranking import RANKINGS, default_ranking, ranked
from qdash.spec import matches
from qdash.ui import state
from qdash.ui.words import help_text

WORST, NETWORK = "Worst first", "Network order"
SHOWN, MOST_SHOWN = 40, 500


@dataclass(frozen=True)
class View:
    """What the controls say. rows: of the selected setting and the filter, worst first; empty where no name matches."""

    sweep: Sweep
    rows: list[dict[str, Any]]
    by: Quantity
    by_network: bool
    top: int

    @property
    def shown(self) -> str | None:
        """The layer of the panel: the selected one, else the most sensitive one of the filter."""
        return state.selected_layer(self.sweep) or (self.rows[0]["layer"] if self.rows else None)

    @property
    def remaining(self) -> bool:
        """Whether the model's output is measured with only one layer in FP32."""
        return leaves_one_out(self.sweep.spec.method)

    @property
    def estimated(self) -> bool:
        """Whether the method estimates what others measure."""
        return estimates(self.sweep.spec)

    @property
    def trained(self) -> bool:
        """Whether every layer was fine-tuned, so that there is a before and an after."""
        return bool(family("modes").create(self.sweep.spec.mode).trains)

    def frame(self) -> pd.DataFrame:
        """The ranking frame."""
        types = layer_types(self.sweep.facts)
        return ranking_frame(self.rows, self.by, top=self.top, by_network=self.by_network, types=types)


def controls(sweep: Sweep) -> View:
    """Draws the row and reads it."""
    rows = state.rows(sweep)
    with st.container(horizontal=True, vertical_alignment="bottom", key="layers_controls"):
        choose_setting(sweep)
        by = _choose_ranking(sweep, rows)
        order = st.segmented_control(
            "Order", [WORST, NETWORK], default=WORST, required=True, key="order", bind="query-params"
        )
        top = _choose_top(len(rows))
        text = st.text_input(
            "Only layers", key="only", bind="query-params", placeholder="part of a name, or *.fc1", width=210
        )
    chosen = ranked([row for row in rows if named(row["layer"], text)], by.key)
    return View(sweep, chosen, by, order == NETWORK, top)


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


def run_quantity(sweep: Sweep, key: str) -> Quantity:
    """A quantity in the words and units of the run's metric and method."""
    metric = sweep.facts["metric"]
    return quantity(
        key,
        metric["name"],
        metric["difference_unit"],
        metric["higher_is_better"],
        remaining=leaves_one_out(sweep.spec.method),
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


def _choose_ranking(sweep: Sweep, rows: Sequence[dict[str, Any]]) -> Quantity:
    measured = [key for key in RANKINGS if any(row[key] is not None for row in rows)]
    quantities = {key: run_quantity(sweep, key) for key in measured or ["model_output_sqnr_db"]}
    default = default_ranking(list(rows))
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
