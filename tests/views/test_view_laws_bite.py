"""Wrong views, and the law of views that tells each of them."""

from typing import ClassVar

import pytest

from qdash.store.store import Store
from qdash.testing.views import ViewLaws, sweep_all
from qdash.ui import state
from qdash.ui.views.depth import Depth
from qdash.ui.views.ranking import Ranking

LAWS = ViewLaws()


class Failing(Depth):
    """Raises where a layer is left out."""

    def draw(self, view):
        assert len(view.rows) == len(view.layers)


class Homeless(Depth):
    """Fits no run."""

    def fits(self, view):
        return False


class Grasping(Depth):
    """Selects the first layer, whichever was selected."""

    def draw(self, view):
        state.select_layer(min(view.layers, key=lambda row: row.order).layer)


class Sorting(Ranking):
    """Changes what others draw."""

    def draw(self, view):
        view.frame["value"] = 0.0


class Namesake(Depth):
    """Is called as another tab."""

    label: ClassVar[str] = "Ranking"


@pytest.fixture
def runs():
    sweep_all(ViewLaws.sweeps[:1])
    with Store.open() as store:
        return [run.id for run in store.runs.list(kind="sweep")]


def test_each_is_told(runs):
    for law, wrong in (
        (LAWS.test_it_draws_whatever_the_controls_say, Failing()),
        (LAWS.test_it_fits_a_finished_sweep_and_draws_every_one_that_it_fits, Homeless()),
        (LAWS.test_it_leaves_the_selection_and_what_others_draw_as_they_were, Grasping()),
        (LAWS.test_it_leaves_the_selection_and_what_others_draw_as_they_were, Sorting()),
    ):
        with pytest.raises(AssertionError):
            law(wrong, runs)


def test_two_tabs_of_one_label_are_told():
    with pytest.raises(AssertionError):
        LAWS.test_its_tab_is_short_and_no_other_is_called_so(Namesake())
