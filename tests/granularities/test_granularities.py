"""The laws of granularities over all members, and which values share a row."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdash.errors import SpecError
from qdash.registry import family
from qdash.testing.granularities import GranularityLaws
from qdash.testing.laws import every_name

few = settings(max_examples=50, deadline=None)

GRANULARITIES = family("granularities")


class TestGranularities(GranularityLaws):
    names = every_name("granularities")


def test_transposed_convolutions_have_their_channels_on_axis_1():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    rows = GRANULARITIES.create("per_channel").rows(x, 1)
    assert rows.shape == (3, 40)
    assert np.array_equal(np.sort(rows[1]), np.sort(x[:, 1].ravel()))
    assert GRANULARITIES.create("per_channel").reduced(4, 1) == (0, 2, 3)
    assert GRANULARITIES.create("per_channel").reduced(4, -3) == (0, 2, 3)


def test_groups_lie_along_the_input_axis():
    x = np.arange(2 * 6).reshape(2, 6)
    assert GRANULARITIES.create("per_group:size=3").rows(x).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert GRANULARITIES.create("per_group:size=2").rows(x, 1).tolist()[:2] == [[0, 6], [1, 7]]


@few
@given(channels=st.integers(1, 3), length=st.integers(1, 70), size=st.integers(1, 40), axis=st.integers(0, 1))
def test_groups_that_do_not_divide_a_row_are_filled_up_with_zeros(channels, length, size, axis):
    member = GRANULARITIES.create(f"per_group:size={size}")
    x = np.random.default_rng(0).normal(size=(channels, length) if axis == 0 else (length, channels))
    rows = member.rows(x, axis)
    assert len(rows) == member.scales(channels, length)
    for channel in range(channels):
        own = x[channel] if axis == 0 else x[:, channel]
        for group, start in enumerate(range(0, length, size)):
            row = rows[channel * (len(rows) // channels) + group]
            assert row[: len(own[start : start + size])].tolist() == own[start : start + size].tolist()
            assert not row[len(own[start : start + size]) :].any()
    assert np.array_equal(member.restore(rows, x.shape, axis), x)
    assert np.array_equal(np.asarray(member.rows(torch.from_numpy(x), axis)), rows)


def test_scales_of_a_weight():
    counts = {name: GRANULARITIES.create(name).scales(8, 300) for name in ("per_tensor", "per_channel", "per_group")}
    assert counts == {"per_tensor": 1, "per_channel": 8, "per_group": 8 * 3}


def test_wrong_shapes_name_the_shape_and_the_way_out():
    with pytest.raises(SpecError, match="per_tensor, per_token or per_sample"):
        GRANULARITIES.create("per_group").reduced(2)
    with pytest.raises(SpecError, match=r"per_channel: a tensor of shape \(\) has no axis 0"):
        GRANULARITIES.create("per_channel").rows(np.zeros(()))
    with pytest.raises(SpecError, match="size"):
        GRANULARITIES.create("per_group:size=0")
