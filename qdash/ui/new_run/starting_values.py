"""What the form of a new run shows first, and whether what it holds makes a valid spec."""

from typing import Any, TypeVar

import streamlit as st

from qdash.errors import QdashError
from qdash.registry import Frozen
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.store.store import Store
from qdash.ui.overview.demo_run import SPEC
from qdash.ui.words import escaped

S = TypeVar("S", bound=Frozen)
FROM = "from"
DEFAULTS = checked(SweepSpec, model=SPEC.model, data=SPEC.data)


def starting_values(store: Store) -> dict[str, Any]:
    """Fields of `SweepSpec` by name: those of the run in `?from=`, else the defaults."""
    wanted = st.query_params.get(FROM)
    spec = _cloned(store, wanted) if wanted else None
    if wanted and spec is not None and st.session_state.get("new_cloned") != wanted:
        for key in [k for k in st.session_state if str(k).startswith("new_")]:
            del st.session_state[key]  # the widgets show the run's settings, not what was typed before
        st.session_state["new_cloned"] = wanted
    return dict(spec or DEFAULTS)


def checked_or_none(spec: type[S], values: dict[str, Any]) -> S | None:
    """The spec; where the values don't make one, the page says why in one line."""
    try:
        return checked(spec, **values)
    except QdashError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return None


def _cloned(store: Store, run_id: str) -> SweepSpec | None:
    try:
        run = store.runs.get(run_id)
        spec = SweepSpec.model_validate_json(run.spec)
    except (QdashError, ValueError):
        st.warning(f"The settings of run {escaped(repr(run_id))} can't be used here; the form shows the defaults.")
        return None
    st.caption(f"The form holds the settings of run {run.id}.")
    return spec
