"""The part of the form that says where model and samples come from."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from qdash.registry import family
from qdash.spec.sweep import Source, SweepSpec
from qdash.store.runs import Run
from qdash.store.store import Store
from qdash.ui.new_run.choices import family_help, one_of, optional_number, optional_text

SAME_SUBJECT: tuple[str, ...] = (
    *("model", "weights", "weights_key", "data", "calibration_data"),
    *("metric", "output", "class_axis", "ignore_label"),
)
"""The fields in which two runs have to agree for the facts of one to hold for the other."""


def source_form(start: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Source` by name. `start`: what the fields show first."""
    left, right = st.columns(2)
    with left:
        values: dict[str, Any] = {"model": _source("models", "model", "Model", start["model"])}
        values["weights"] = optional_text("weights", "Weights file", start["weights"], "none: the model brings its own")
        if values["weights"]:
            values["weights_key"] = optional_text(
                "weights_key", "Entry in it", start["weights_key"], "the one that fits"
            )
    with right:
        values["data"] = _source("datasets", "data", "Evaluation data", start["data"])
        values["calibration_data"] = optional_text(
            "calibration_data", "Calibration data", start["calibration_data"], "none: a part of the data calibrates"
        )
    values["metric"] = one_of("metric", "metrics", "Metric", start["metric"])
    with st.expander("Outputs and labels", icon=":material/output:", key="new_outputs"):
        values |= _judged(start)
    return values


def _judged(start: Mapping[str, Any]) -> dict[str, Any]:
    """What is judged of the output; all of it is told by the model and the data unless the first look asks."""
    output, axis, ignored = st.columns(3)
    with output:
        name = optional_text("output", "Judged output", start["output"], "all of them together")
    with axis:
        class_axis = optional_number("class_axis", "Class axis", start["class_axis"], "told by the labels", None)
    with ignored:
        label = optional_number("ignore_label", "Ignored label", start["ignore_label"], "none", None)
    return {"output": name, "class_axis": class_axis, "ignore_label": label}


def known_facts(store: Store, source: Source) -> Run | None:
    """The newest run that tells about this very model and data, a first look before a sweep of all its layers."""
    wanted = _subject(source)
    for kind in ("probe", "sweep"):
        for run in store.runs.list(kind=kind, limit=200):
            if run.facts is not None and run.model == source.model and _subject_of(run) == wanted and _whole(run):
                return run
    return None


def last_look(store: Store, source: Source) -> Run | None:
    """The newest first look at this very model and data, whatever became of it."""
    wanted = _subject(source)
    return next((run for run in store.runs.list(kind="probe", limit=50) if _subject_of(run) == wanted), None)


def _source(name: str, field: str, label: str, start: str) -> str:
    ready = [example for entry in family(name) if entry.member.ships for example in entry.member.examples]
    others = [example for entry in family(name) if not entry.member.ships for example in entry.member.examples]
    options = list(dict.fromkeys([*ready, start, st.session_state.get(f"new_{field}") or start]))
    chosen = st.selectbox(
        label,
        options,
        index=options.index(start),
        accept_new_options=True,
        key=f"new_{field}",
        help=family_help(field, name),
        persist_state="session",
    )
    st.caption("Or type your own, like " + ", ".join(f"`{example}`" for example in others))
    return chosen or start


def _whole(run: Run) -> bool:
    return run.kind != "sweep" or SweepSpec.model_validate_json(run.spec).layers == "*"


def _subject(source: Source) -> tuple[object, ...]:
    return tuple(getattr(source, field) for field in SAME_SUBJECT)


def _subject_of(run: Run) -> tuple[object, ...] | None:
    from qdash.ui.describe import SPECS

    try:
        spec = SPECS[run.kind].model_validate_json(run.spec)
    except ValueError:
        return None
    return _subject(spec) if isinstance(spec, Source) else None
