"""A person's own set of FP32 layers: pins, what it is estimated to cost, its measurement, and its export."""

import json
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import streamlit as st

from qdash.answers.stored import Sweep
from qdash.charts.quantities import Quantity
from qdash.records.names import whole
from qdash.results.added_up import added_up
from qdash.results.frontier import Point, Recommendation
from qdash.results.plain import plain
from qdash.results.rows import LayerRow
from qdash.results.size import fp32_mb, saved_mb, size_mb
from qdash.results.text import decibels, megabytes, nats, plural, share
from qdash.store.store import Store
from qdash.ui import progress, state
from qdash.ui.decide.answer import start_measuring
from qdash.ui.layers.controls import named
from qdash.ui.start import attempted
from qdash.ui.view import SweepView
from qdash.ui.words import help_text

FILTER_ABOVE, VERSION = 40, "pins_version"


def own_set(layers: Sequence[str], recommended: Collection[str], pins: Mapping[str, bool]) -> list[str]:
    """The layers to keep in FP32, in the given order: as pinned, and where nobody decided, as recommended.

    >>> own_set(["a", "b", "c"], ["a", "b"], {"b": False, "c": True})
    ['a', 'c']
    """
    return [layer for layer in layers if pins.get(layer, layer in recommended)]


def changed_pins(
    edited: Mapping[int | str, Mapping[str, object]], names: Sequence[str], kept: Collection[str]
) -> dict[str, bool]:
    """What an edited table changes: by layer whether it is kept now. edited: by position in `names`.

    >>> changed_pins({1: {"keep": True}, 0: {"keep": True}}, ["a", "b"], ["a"])
    {'b': True}
    """
    wanted = {names[int(at)]: bool(change["keep"]) for at, change in edited.items() if "keep" in change}
    return {layer: keep for layer, keep in wanted.items() if keep != (layer in kept)}


def show_set(view: SweepView, found: Recommendation, yours: Sequence[str]) -> None:
    """The table with a tick per layer, and below it what the set costs and how to measure and export it."""
    st.markdown(f"**Your set: {plural(len(yours), 'layer')} in FP32**", help=help_text("keep_fp32"))
    text = ""
    if len(view.layers) > FILTER_ABOVE:
        text = st.text_input("Only layers", key="only", bind="query-params", placeholder="part of a name, or *.fc1")
    _show_table(view, [row for row in view.layers if named(row.layer, text)], found, yours)
    _show_estimate(view, yours)
    point = measured_point(view, yours)
    with st.container(horizontal=True, key="set_actions"):
        _measure_button(view, yours, point)
        _reset_button(view.sweep)
        _export(view, yours, point)


def measured_point(view: SweepView, layers: Collection[str]) -> Point | None:
    """The measurement of exactly this set under the selected setting; None where there is none."""
    return next((point for point in view.points if set(point.layers) == set(layers)), None)


def set_frame(
    rows: Sequence[LayerRow], view: SweepView, key: str, kept: Collection[str], recommended: Collection[str]
) -> pd.DataFrame:
    """keep, layer, value (of `key`), cost_mb (of keeping it), recommended, type; one row per layer."""
    layers, kept, recommended = [row.layer for row in rows], set(kept), set(recommended)
    known = view.sweep.facts.by_layer
    return pd.DataFrame(
        {
            "keep": [layer in kept for layer in layers],
            "layer": layers,
            "value": pd.array([row.number(key) for row in rows], dtype="Float64"),
            "cost_mb": [saved_mb(known[layer], view.setting) for layer in layers],
            "recommended": [layer in recommended for layer in layers],
            "type": [view.types[layer] for layer in layers],
        }
    )


def export_json(view: SweepView, layers: Sequence[str], point: Point | None) -> str:
    """The set with the setting it belongs to and what was measured of it, for other programs."""
    run, measured = view.sweep.run, ("value", "delta", "low", "high", "samples")
    content = {
        "run_id": run.id,
        "model": run.model,
        "setting": view.setting,
        "keep_fp32": layers,
        "size_mb": size_mb(view.sweep.facts, view.setting, layers),
        "measured": None if point is None else {name: getattr(point, name) for name in measured},
    }
    return json.dumps(plain(content), indent=2, ensure_ascii=False)


def _show_table(view: SweepView, rows: Sequence[LayerRow], found: Recommendation, yours: Sequence[str]) -> None:
    run_id, names = view.sweep.run.id, [row.layer for row in rows]
    by = view.quantity(view.answer.ranked_by)
    # Edits are kept by position, so a table with other layers or another recommendation is another table.
    listed = hash((run_id, view.setting.key, *names, "", *found.keep_fp32))
    key = f"pins_{listed}_{st.session_state.get(VERSION, 0)}"
    if key not in st.session_state:
        # Under edits the ticks of the table itself must not change, or the two would chase each other.
        st.session_state[f"{key}_ticks"] = list(yours)
    ticks = st.session_state[f"{key}_ticks"]
    st.data_editor(
        set_frame(rows, view, by.key, ticks, found.keep_fp32),
        column_config={
            "keep": st.column_config.CheckboxColumn("FP32", help=help_text("keep_fp32"), width="small"),
            "layer": st.column_config.TextColumn("Layer"),
            "value": st.column_config.NumberColumn(_titled(by, rows), format="%.3g", help=help_text(by.key)),
            "cost_mb": st.column_config.NumberColumn("FP32 costs, MB", format="%.3g", help=help_text("size_mb")),
            "recommended": st.column_config.CheckboxColumn("Recommended", width="small"),
            "type": st.column_config.TextColumn("Type"),
        },
        disabled=["layer", "value", "cost_mb", "recommended", "type"],
        hide_index=True,
        height=min(360, 40 + 35 * max(1, len(rows))),
        key=key,
        on_change=lambda: _keep_pins(state.store(), run_id, key, names, yours),
    )


def _titled(by: Quantity, rows: Sequence[LayerRow]) -> str:
    estimated = any(row.estimated for row in rows)
    return by.axis.replace("Model-output", "Estimated") if estimated else by.axis


def _keep_pins(store: Store, run_id: str, key: str, names: Sequence[str], kept: Collection[str]) -> None:
    for layer, keep in changed_pins(st.session_state[key]["edited_rows"], names, kept).items():
        store.pins.set(run_id, layer, keep)


def _show_estimate(view: SweepView, yours: Sequence[str]) -> None:
    facts = view.sweep.facts
    size, whole = size_mb(facts, view.setting, yours), fp32_mb(facts)
    said = f"Exact: {megabytes(size)}, {share(size / whole) if whole else '–'} of FP32."
    sums = added_up(view.layers, yours)
    if sums.sqnr_db is not None:
        kl = f", KL {nats(sums.kl)}" if sums.kl is not None else ""
        said += f" Estimated, single layers added up: model-output SQNR {decibels(sums.sqnr_db)}{kl}."
    st.caption(said, help=help_text("estimated"))


def _measure_button(view: SweepView, yours: Sequence[str], point: Point | None) -> None:
    run = view.sweep.run
    whole = point is not None and point.samples >= view.sweep.facts.samples.evaluation
    waiting = any(not part.final for part in progress.measurements_of(state.store(), run))
    label = "This set is measured" if whole else "Measure this set"
    pressed = st.button(
        label,
        icon=":material/check:" if whole else ":material/science:",
        type="secondary" if whole else "primary",
        disabled=whole or waiting or not run.final,
        help="Runs the model with these layers in FP32 and all others quantized on the evaluation samples.",
        key="measure_set",
    )
    if pressed and attempted(lambda: start_measuring(view, [yours])):
        st.rerun()


def _reset_button(sweep: Sweep) -> None:
    pins = state.store().pins.of(sweep.run.id)
    if st.button(
        "Back to the recommendation",
        icon=":material/undo:",
        disabled=not pins,
        help="Forgets your ticks. Layers that you haven't touched follow the recommendation.",
        key="reset_pins",
    ):
        state.store().pins.clear(sweep.run.id)
        st.session_state[VERSION] = st.session_state.get(VERSION, 0) + 1
        st.rerun()


def _export(view: SweepView, yours: Sequence[str], point: Point | None) -> None:
    for label, kind, data in (
        ("Ignore list", "txt", "".join(f"{layer}\n" for layer in dict.fromkeys(map(whole, yours)))),
        ("JSON", "json", export_json(view, yours, point)),
    ):
        st.download_button(
            label,
            data,
            file_name=f"qdash-{view.sweep.run.id}-keep-fp32.{kind}",
            on_click="ignore",
            icon=":material/download:",
            key=f"export_{kind}",
            help="The layers to keep in FP32, one a line; of parts, the whole module."
            if kind == "txt"
            else "The same with setting, size and measured numbers.",
        )
