"""The part of the form that says how layers are quantized and how that is measured."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from qdash.modes.base import Mode
from qdash.registry import family
from qdash.spec.sweep import Source, SweepSpec
from qdash.ui.describe import words
from qdash.ui.new_run.choices import any_of, many_of, number, one_of, optional_number, optional_text, with_options
from qdash.ui.words import help_text

SCHEMES = ("symmetric", "affine")
AUTOMATIC = "automatic"
OWN = {"mode", "observers", "weight_formats", "activation_formats", "weight_granularity", "activation_granularity"}
OWN |= {"weight_scheme", "activation_scheme", "method", "layers", "executor"}
"""Settings with a widget of their own; where a run computes is not asked, a worker does."""


def settings_form(start: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `SweepSpec` by name, those of its source aside. `start`: what the fields show first."""
    values = _main(start)
    with st.expander("More settings", icon=":material/tune:", key="new_more"):
        values |= _more(start, _kind(values["mode"]).quantizes_inputs)
    return values


def _main(start: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"mode": _mode(start["mode"])}
    mode = _kind(values["mode"])
    quantizes_inputs = mode.quantizes_inputs
    if mode.trains:
        values["training_data"] = optional_text(
            "training_data", "Training data", start["training_data"], "none: the data's training split, if it has one"
        )
    left, right = st.columns(2)
    with left:
        values["weight_formats"] = many_of("weight_formats", "formats", "Weight formats", start["weight_formats"])
        values["weight_granularity"] = one_of(
            "weight_granularity", "granularities", "Scales of the weights", start["weight_granularity"]
        )
    with right:
        if quantizes_inputs:
            formats = many_of("activation_formats", "formats", "Input formats", start["activation_formats"])
            values["activation_formats"] = formats
        values["observers"] = many_of("observers", "observers", "Observers", start["observers"])
    return values


def _kind(mode: str) -> Mode:
    """Without its options, which may be wrong while they are typed; the whole form says so."""
    found: Mode = family("modes").create(mode.partition(":")[0])
    return found


def _more(start: Mapping[str, Any], quantizes_inputs: bool) -> dict[str, Any]:
    left, middle, right = st.columns(3)
    with left:
        values: dict[str, Any] = {"method": one_of("method", "methods", "Method", start["method"])}
        values["layers"] = optional_text("layers", "Layers", start["layers"]) or "*"
        values["weight_scheme"] = _scheme("weight_scheme", "Weight scheme", start)
        values |= {field: any_of(field, _label(field), start[field]) for field in _others()}
    with middle:
        values["samples"] = optional_number("samples", "Evaluation samples", start["samples"], "all")
        values["calibration_samples"] = optional_number(
            "calibration_samples", "Calibration samples", start["calibration_samples"], "100 batches"
        )
        values["batch_size"] = number("batch_size", "Batch size", start["batch_size"], 1)
        values["calibration_batch_size"] = number(
            "calibration_batch_size", "Calibration batch size", start["calibration_batch_size"], 1
        )
    with right:
        values["device"] = optional_text("device", "Device", start["device"]) or "auto"
        values["seed"] = number("seed", "Seed", start["seed"], 0)
        if quantizes_inputs:
            values["activation_scheme"] = _scheme("activation_scheme", "Input scheme", start)
            values["activation_granularity"] = _input_granularity(start["activation_granularity"])
            values["include"] = ("functional",) if _functional(bool(start["include"])) else ()
    return values


def _functional(start: bool) -> bool:
    return st.toggle(
        "Functional operations",
        value=start,
        key="new_include",
        help=help_text("include"),
        persist_state="session",
    )


def _others() -> list[str]:
    """Settings without a widget of their own."""
    return [field for field in SweepSpec.model_fields if field not in OWN | set(Source.model_fields)]


def _label(field: str) -> str:
    return words(field).capitalize()


def _mode(start: str) -> str:
    members = family("modes").describe()["members"]
    names = [member["name"] for member in members]
    chosen = st.radio(
        "Mode",
        names,
        index=names.index(start.partition(":")[0]),
        format_func=words,
        captions=[member["help"] for member in members],
        key="new_mode",
        help=help_text("mode"),
        persist_state="session",
    )
    return with_options("mode", "modes", str(chosen), start)


def _scheme(field: str, label: str, start: Mapping[str, Any]) -> str:
    chosen = st.segmented_control(
        label,
        SCHEMES,
        default=start[field],
        required=True,
        key=f"new_{field}",
        help=help_text(field),
        persist_state="session",
    )
    return str(chosen or start[field])


def _input_granularity(start: str | None) -> str | None:
    names = [AUTOMATIC, *family("granularities").names()]
    chosen = st.selectbox(
        "Scales of the inputs",
        names,
        index=names.index((start or AUTOMATIC).partition(":")[0]),
        format_func=words,
        key="new_activation_granularity",
        help=help_text("activation_granularity"),
        persist_state="session",
    )
    return None if chosen == AUTOMATIC else chosen
