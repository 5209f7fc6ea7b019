"""Where a work goes on: the text that stores keep, the order of batches and items, and when a slice ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdash.sweep.works.position import Position
from qdash.sweep.works.schedule import Schedule, Slice

counts = st.integers(0, 10_000)


@given(counts, counts, st.text())
def test_a_position_comes_back_from_its_text(batch, item, state):
    position = Position(batch, item, state)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (None, Position()),
        ("start", Position()),
        ("1:0", Position(1, 0)),
        ('2:7|{"counts":{},"left":[]}', Position(2, 7, '{"counts":{},"left":[]}')),
    ],
)
def test_positions_that_stores_keep(text, position):
    assert Position.parse(text) == position
    assert text in (None, "start", str(position))


def test_batches_outside_items_inside():
    schedule, place, seen = Schedule([4, 4, 2]), Position(), []
    while place is not None:
        seen.append((place.batch, place.item))
        place = schedule.following(place.batch, place.item + 1, items=2)
    assert seen == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_batch_without_items_is_left_at_once():
    assert Schedule([4, 4]).following(0, 0, items=0) == Position(1, 0)
    assert Schedule([4]).following(0, 0, items=0) is None


def test_work_grows_to_the_whole():
    schedule = Schedule([4, 4, 2])
    assert schedule.work(0, 0, 4.0, [8.0, 8.0]) == (4.0, 50.0)
    assert schedule.work(1, 1, 4.0, [8.0, 8.0]) == (32.0, 50.0)
    assert schedule.work(2, 2, 2.0, [4.0, 4.0]) == (50.0, 50.0)


def test_a_slice_ends_where_somebody_wants_it_to():
    assert Slice(lambda: True).over
    assert not Slice(lambda: False).over
