"""The pictures of the layers page, of which only the one looked at is made."""

from collections.abc import Callable

import streamlit as st

from qdash.charts import heatmap
from qdash.charts.agreement import frame_agreement
from qdash.charts.before_after import BEFORE_KEYS, before_after_figure, before_after_frame, before_key
from qdash.charts.depth import depth_figure, depth_frame
from qdash.charts.names import short_names
from qdash.charts.quantities import QUANTITIES
from qdash.charts.ranking import ranking_figure
from qdash.charts.ranking_overview import overview_figure
from qdash.charts.ranking_title import ranking_title
from qdash.charts.size_sensitivity import SIZES, size_figure, size_frame
from qdash.results.diagnosis import concentration
from qdash.results.ranking import default_ranking
from qdash.results.text import plural
from qdash.ui import state
from qdash.ui.chart import show_chart
from qdash.ui.layers.agreement import estimated_and_measured, show_agreement
from qdash.ui.layers.observers import show_observers
from qdash.ui.layers.view import LayerView
from qdash.ui.words import help_text

NAMED, WIDTH = 3, 28
VIEWS = ("Ranking", "Heatmap", "Observers", "Size", "Depth")


def answer(view: LayerView) -> str:
    """The page's question answered in one sentence with numbers."""
    found = concentration(view.layers)
    samples = plural(max((row.samples for row in view.layers), default=0), "sample")
    trust = _trust(view) if view.estimated else ""
    if found is None:
        return f"{ranking_title(view.frame, view.by, view.whole)}{f' ({trust})' if trust else ''}."
    worst, measured = found
    names = ", ".join(short_names(worst, WIDTH)[:NAMED]) + (" and others" if len(worst) > NAMED else "")
    does, basis = "does" if len(worst) == 1 else "do", ", ".join(filter(None, (samples, trust)))
    return f"{len(worst)} of {plural(measured, 'layer')} {does} 80 % of the damage: {names} ({basis})."


def show_pictures(view: LayerView) -> None:
    """Tabs; a hidden one is not computed."""
    pictures = _pictures(view)
    tabs = st.tabs(list(pictures), on_change="rerun", key="view", bind="query-params")
    for tab, show in zip(tabs, pictures.values(), strict=True):
        if tab.open:
            with tab:
                show(view)


def _pictures(view: LayerView) -> dict[str, Callable[[LayerView], None]]:
    """By the name of their tab: those of every run, and those that only this kind of run has."""
    shown: dict[str, Callable[[LayerView], None]] = dict(
        zip(VIEWS, (_ranking, _heatmap, show_observers, _size, _depth), strict=True)
    )
    if view.estimated:
        shown["Agreement"] = show_agreement
    if view.trained:
        shown["Before and after"] = _before_after
    return shown


def _trust(view: LayerView) -> str:
    found = frame_agreement(estimated_and_measured(view)).short
    return f"estimated from gradients{found and f'; {found}'}"


def _ranking(view: LayerView) -> None:
    frame, selected = view.frame, view.shown
    show_chart(ranking_figure(frame, view.by, selected=selected, whole=view.whole), "layers_ranking", select=True)
    if not frame["shown"].all():
        show_chart(overview_figure(frame, view.by, selected=selected), "layers_overview", select=True)
    how = "Measured on the samples so far"
    if frame["estimated"].any():
        how = "Estimated from gradients, not measured (the tab Agreement measures)"
    st.caption(f"{how}; bars are 95 % intervals. Click a mark to see its layer.", help=help_text("interval"))


def _heatmap(view: LayerView) -> None:
    many = len(view.sweep.spec.settings()) > 1
    if not many:
        frame = heatmap.kinds_frame(view.rows, by_network=view.by_network)
        title = heatmap.kinds_title(frame)
    else:
        by = view.quantity(_heatmap_key(view))
        names = {row.layer for row in view.rows}
        rows = [row for row in state.result(view.sweep.run.id).layers if row.layer in names]
        keys = [setting.key for setting in view.sweep.spec.settings()]
        frame = heatmap.settings_frame(rows, by, by_network=view.by_network, settings=keys)
        title = heatmap.settings_title(frame, by.title)
    show_chart(heatmap.heatmap_figure(frame, title, selected=view.shown), "layers_heatmap", select=True)
    st.caption("SQNR in dB, of the samples so far: a brighter cell is more damage.", help=help_text("sqnr_db"))


def _heatmap_key(view: LayerView) -> str:
    keys = ("model_output_sqnr_db", "layer_output_sqnr_db", "weight_sqnr_db", "input_sqnr_db")
    # What leave_one_out says of the model's output is what remains without the layer's error.
    known = [k for k in keys[1 if view.remaining else 0 :] if any(row.number(k) is not None for row in view.rows)]
    return str(
        st.selectbox(
            "Colour",
            known or ["layer_output_sqnr_db"],
            format_func=lambda key: QUANTITIES[key].title,
            key="colour",
            bind="query-params",
            width=250,
        )
    )


def _size(view: LayerView) -> None:
    size = st.segmented_control(
        "Size",
        list(SIZES),
        default="params",
        required=True,
        format_func=SIZES.__getitem__,
        key="size",
        bind="query-params",
    )
    frame = size_frame(view.frame, view.sweep.facts, view.setting)
    show_chart(size_figure(frame, view.by, size=size or "params", selected=view.shown), "layers_size", select=True)
    st.caption("Small and sensitive layers are cheap to keep in FP32. Sizes are exact.", help=help_text("size_mb"))


def _depth(view: LayerView) -> None:
    frame = depth_frame(view.rows)
    show_chart(depth_figure(frame, selected=view.shown), "layers_depth", select=True)
    st.caption(
        "Grey: the layer's own error with FP32 input. Blue: the error that has piled up with every layer quantized.",
        help=help_text("cumulative_sqnr_db"),
    )


def _before_after(view: LayerView) -> None:
    by = view.by
    if before_key(by) not in BEFORE_KEYS:
        by = view.quantity(default_ranking(view.layers))
    frame = before_after_frame(view.rows, by, top=view.top, by_network=view.by_network)
    show_chart(before_after_figure(frame, by, selected=view.shown), "layers_before_after", select=True)
    st.caption(
        "Every layer is quantized and fine-tuned alone, the others staying in FP32.", help=help_text("before_training")
    )
