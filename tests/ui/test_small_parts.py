"""Pure parts of the pages: pace, words, names."""

import pytest

from qdash.registry import families, family
from qdash.spec.sweep import SweepSpec
from qdash.ui.describe import share_done
from qdash.ui.eta import Pace
from qdash.ui.words import GLOSSARY, help_text


def test_pace_of_an_even_run_is_its_rate():
    pace = Pace(0.0, 0.0)
    for second in range(1, 9):
        pace = pace.seen(2.0 * second, 10.0 * second)
    assert pace.rate == pytest.approx(5.0)
    assert pace.seconds_left(16.0, 100.0) == pytest.approx(4.0)
    assert pace.seconds_left(18.0, 100.0) == pytest.approx(2.0)  # counts down between two steps
    assert pace.seconds_left(1000.0, 100.0) == 0.0


def test_pace_follows_a_change_smoothly():
    pace = Pace(0.0, 0.0).seen(1.0, 10.0).seen(2.0, 30.0)
    assert 10.0 < pace.rate < 20.0


def test_pace_starts_anew_after_a_set_back():
    assert Pace(5.0, 50.0, 10.0).seen(6.0, 0.0) == Pace(6.0, 0.0)


def test_pace_is_unknown_before_the_first_step():
    assert Pace(0.0, 0.0).seconds_left(5.0, 100.0) is None
    assert Pace(0.0, 0.0).seen(5.0, 0.0).rate is None


def test_every_setting_has_help():
    unexplained = set(SweepSpec.model_fields) - {"executor"} - set(GLOSSARY)
    assert unexplained == set()
    with pytest.raises(KeyError):
        help_text("nobody explained this")


def test_every_member_of_every_family_has_help():
    for name in families():
        assert all(member["help"] for member in family(name).describe()["members"])


def test_share_done_of_a_fresh_run_is_zero(home):
    from qdash.store.runs import NewRun
    from qdash.store.store import Store

    with Store.open() as store:
        run = store.runs.get(store.runs.create(NewRun("sweep", "{}", model="m", data="d")))
    assert share_done(run) == 0.0
