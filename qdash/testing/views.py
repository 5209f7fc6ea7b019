"""Laws of views: every tab that fits a finished sweep draws it, and leaves what is selected as it was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from qdash.jobs.steps import run_inline
from qdash.registry import family
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.testing import tiny
from qdash.testing.laws import Laws

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

    from qdash.ui.views.base import View

LONGEST_LABEL = 20  # characters; all tabs stand in one row
SMALL = {"model": tiny.MODEL, "data": tiny.DATA, "batch_size": 12, "calibration_samples": 8}


class ViewLaws(Laws):
    """Over finished sweeps: `sweeps` are their specs, beside a tiny model and its samples; a view has to fit one."""

    family: ClassVar[str] = "views"
    sweeps: ClassVar[Sequence[Mapping[str, object]]] = (
        {"weight_formats": ("int4", "int8")},
        {"method": "gradient"},
        {"mode": "qat:steps=2"},
    )

    @pytest.fixture(scope="class")
    @classmethod
    def home(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A home whose store holds the sweeps."""
        folder = tmp_path_factory.mktemp("views")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("QDASH_HOME", str(folder))
            patch.delenv("QDASH_STORE_URL", raising=False)
            sweep_all(cls.sweeps)
        return folder

    @pytest.fixture
    def runs(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The sweeps' ids, in the store that pages open now."""
        monkeypatch.setenv("QDASH_HOME", str(home))
        monkeypatch.delenv("QDASH_STORE_URL", raising=False)
        with Store.open() as store:
            return [run.id for run in store.runs.list(kind="sweep")]

    def test_its_tab_is_short_and_no_other_is_called_so(self, member: "View") -> None:
        assert 0 < len(member.label) <= LONGEST_LABEL
        assert [entry.member for entry in family("views") if entry.member.label == member.label] == [type(member)]

    def test_it_fits_a_finished_sweep_and_draws_every_one_that_it_fits(self, member: "View", runs: list[str]) -> None:
        pages = [drawn(member, run) for run in runs]
        assert any(page.session_state["fits"] for page in pages)

    def test_it_draws_whatever_the_controls_say(self, member: "View", runs: list[str]) -> None:
        for run in runs:
            drawn(member, run, only=tiny.LAYERS[-1], order="Network order", by="model_output_sqnr_db")

    def test_it_leaves_the_selection_and_what_others_draw_as_they_were(self, member: "View", runs: list[str]) -> None:
        for run in runs:
            page = drawn(member, run, layer=tiny.LAYERS[-1])
            assert page.session_state["selected"] == tiny.LAYERS[-1]
            assert page.session_state["untouched"]


def sweep_all(specs: Sequence[Mapping[str, object]]) -> None:
    """Computes the sweeps into the store of this home."""
    with Store.open() as store:
        for values in specs:
            spec = checked(SweepSpec, **SMALL | dict(values))
            run_inline(
                store, store.runs.create(NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data))
            )


def drawn(member: "View", run: str, **query: str) -> "AppTest":
    """A page with the controls and this view alone. query: of the URL; raises AssertionError where the page failed."""
    from streamlit.testing.v1 import AppTest

    page = AppTest.from_function(draw, args=(member, run), default_timeout=30)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return page


def draw(member: "View", run: str) -> None:
    """The page's script, which Streamlit runs without the rest of this file."""
    import streamlit as st

    from qdash.ui import state
    from qdash.ui.layers.controls import controls

    view = controls(state.load(run))
    ranking = view.frame.copy()
    st.session_state["fits"] = member.fits(view)
    if st.session_state["fits"]:
        member.draw(view)
    st.session_state["selected"] = state.selected_layer(view.sweep)
    st.session_state["untouched"] = ranking.equals(view.frame)
