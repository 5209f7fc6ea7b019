"""Three kills, one of each kind; `python -m benchmarks.kills` does twenty."""

import sys

import pytest

from benchmarks.kills import VICTIMS, kill_often


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the child of a worker is found in /proc")
def test_nothing_is_lost_or_doubled():
    kills = kill_often(3, seed=1)
    assert [kill.victim for kill in kills] == list(VICTIMS)
    for kill in kills:
        assert (kill.lost, kill.doubled, kill.equal) == (0, 0, True), kill
