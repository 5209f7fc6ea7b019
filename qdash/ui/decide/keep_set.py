"""A person's own set of FP32 layers: pins, what it is estimated to cost, its measurement, and its export."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from qdash.answers.stored import Sweep
from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import Quantity
from qdash.results.added_up import added_up
from qdash.results.plain import plain
from qdash.results.size import fp32_mb, size_mb
from qdash.results.text import decibels, megabytes, nats, plural, share
from qdash.store.store import Store
from qdash.ui import progress, state
from qdash.ui.decide.answer import Json, start_measuring
from qdash.ui.layers.controls import named, run_quantity
from qdash.ui.start import attempted
from qdash.ui.words import help_text

FILTER_ABOVE, VERSION = 40, "pins_version"


def own_set(layers: Sequence[str], recommended: Collection[str], pins: Mapping[str, bool]) -> list[str]:
    """The layers to keep in FP32, in the given order: as pinned, and where nobody decided, as recommended.

    >>> own_set(["a", "b", "c"], ["a", "b"], {"b": False, "c": True})
    ['a', 'c']
    """
    return [layer for layer in layers if pins.get(layer, layer in recommended)]


def changed_pins(
    edited: Mapping[Any, Mapping[str, Any]], names: Sequence[str], kept: Collection[str]
) -> dict[str, bool]:
    """What an edited table changes: by layer whether it is kept now. edited: by position in `names`.

    >>> changed_pins({1: {"keep": True}, 0: {"keep": True}}, ["a", "b"], ["a"])
    {'b': True}
    """
    wanted = {names[int(at)]: bool(change["keep"]) for at, change in edited.items() if "keep" in change}
    return {layer: keep for layer, keep in wanted.items() if keep != (layer in kept)}


def show_set(sweep: Sweep, found: Json, yours: Sequence[str]) -> None:
    """The table with a tick per layer, and below it what the set costs and how to measure and export it."""
    rows = state.answer(sweep)["layers"]
    st.markdown(f"**Your set: {plural(len(yours), 'layer')} in FP32**", help=help_text("keep_fp32"))
    text = ""
    if len(rows) > FILTER_ABOVE:
        text = st.text_input("Only layers", key="only", bind="query-params", placeholder="part of a name, or *.fc1")
    _show_table(sweep, [row for row in rows if named(row["layer"], text)], found, yours)
    _show_estimate(sweep, rows, yours)
    point = measured_point(sweep, yours)
    with st.container(horizontal=True, key="set_actions"):
        _measure_button(sweep, yours, point)
        _reset_button(sweep)
        _export(sweep, yours, point)


def measured_point(sweep: Sweep, layers: Collection[str]) -> Json | None:
    """The measurement of exactly this set under the selected setting; None where there is none."""
    points = state.points(sweep.run.id, state.selected_setting(sweep))
    return next((point for point in points if set(point["layers"]) == set(layers)), None)


def set_frame(
    rows: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    key: str,
    costs: Mapping[str, float],
    kept: Collection[str],
    recommended: Collection[str],
) -> pd.DataFrame:
    """keep, layer, value (of `key`), cost_mb (of keeping it), recommended, type; one row per layer."""
    types = layer_types(facts)
    return pd.DataFrame(
        {
            "keep": [row["layer"] in set(kept) for row in rows],
            "layer": [row["layer"] for row in rows],
            "value": pd.array([row[key] for row in rows], dtype="Float64"),
            "cost_mb": [costs[row["layer"]] for row in rows],
            "recommended": [row["layer"] in set(recommended) for row in rows],
            "type": [types[row["layer"]] for row in rows],
        }
    )


def export_json(sweep: Sweep, layers: Sequence[str], point: Json | None) -> str:
    """The set with the setting it belongs to and what was measured of it, for other programs."""
    setting = state.selected_setting(sweep)
    content = {
        "run_id": sweep.run.id,
        "model": sweep.run.model,
        "setting": setting.model_dump(mode="json"),
        "keep_fp32": list(layers),
        "size_mb": size_mb(sweep.facts, setting, layers),
        "measured": None if point is None else {k: point[k] for k in ("value", "delta", "low", "high", "samples")},
    }
    return json.dumps(plain(content), indent=2, ensure_ascii=False)


def _show_table(sweep: Sweep, rows: list[Json], found: Json, yours: Sequence[str]) -> None:
    names = [row["layer"] for row in rows]
    by = run_quantity(sweep, state.answer(sweep)["ranked_by"])
    # Edits are kept by position, so a table with other layers or another recommendation is another table.
    listed = hash((sweep.run.id, state.selected_setting(sweep).key, *names, "", *found["keep_fp32"]))
    key = f"pins_{listed}_{st.session_state.get(VERSION, 0)}"
    if key not in st.session_state:
        # Under edits the ticks of the table itself must not change, or the two would chase each other.
        st.session_state[f"{key}_ticks"] = list(yours)
    ticks = st.session_state[f"{key}_ticks"]
    st.data_editor(
        set_frame(rows, sweep.facts, by.key, _costs(sweep), ticks, found["keep_fp32"]),
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
        on_change=lambda: _keep_pins(state.store(), sweep.run.id, key, names, yours),
    )


def _titled(by: Quantity, rows: list[Json]) -> str:
    estimated = any(row.get("estimated") for row in rows)
    return by.axis.replace("Model-output", "Estimated") if estimated else by.axis


def _keep_pins(store: Store, run_id: str, key: str, names: Sequence[str], kept: Collection[str]) -> None:
    for layer, keep in changed_pins(st.session_state[key]["edited_rows"], names, kept).items():
        store.pins.set(run_id, layer, keep)


def _costs(sweep: Sweep) -> dict[str, float]:
    """MB that each layer weighs more in FP32."""
    setting = state.selected_setting(sweep)
    return {layer["layer"]: -size_mb({"params": 0, "layers": [layer]}, setting) for layer in sweep.facts["layers"]}


def _show_estimate(sweep: Sweep, rows: list[Json], yours: Sequence[str]) -> None:
    setting, whole = state.selected_setting(sweep), fp32_mb(sweep.facts)
    size = size_mb(sweep.facts, setting, yours)
    said = f"Exact: {megabytes(size)}, {share(size / whole) if whole else '–'} of FP32."
    sums = added_up(rows, yours)
    if sums["sqnr_db"] is not None:
        kl = f", KL {nats(sums['kl'])}" if sums["kl"] is not None else ""
        said += f" Estimated, single layers added up: model-output SQNR {decibels(sums['sqnr_db'])}{kl}."
    st.caption(said, help=help_text("estimated"))


def _measure_button(sweep: Sweep, yours: Sequence[str], point: Json | None) -> None:
    whole = point is not None and point["samples"] >= sweep.facts["samples"]["evaluation"]
    waiting = any(not run.final for run in progress.measurements_of(state.store(), sweep.run))
    label = "This set is measured" if whole else "Measure this set"
    pressed = st.button(
        label,
        icon=":material/check:" if whole else ":material/science:",
        type="secondary" if whole else "primary",
        disabled=whole or waiting or not sweep.run.final,
        help="Runs the model with these layers in FP32 and all others quantized on the evaluation samples.",
        key="measure_set",
    )
    if pressed and attempted(lambda: start_measuring(sweep, [yours])):
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


def _export(sweep: Sweep, yours: Sequence[str], point: Json | None) -> None:
    for label, kind, data in (
        ("Ignore list", "txt", "".join(f"{layer}\n" for layer in yours)),
        ("JSON", "json", export_json(sweep, yours, point)),
    ):
        st.download_button(
            label,
            data,
            file_name=f"qdash-{sweep.run.id}-keep-fp32.{kind}",
            on_click="ignore",
            icon=":material/download:",
            key=f"export_{kind}",
            help="The layers to keep in FP32, one a line."
            if kind == "txt"
            else "The same with setting, size and measured numbers.",
        )
