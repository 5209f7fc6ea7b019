"""The histogram with fixed bins, against torch's bfloat16 and the definition of truncation."""

import numpy as np
import pytest
import torch
from histograms import BINS, count, sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.quant.log_histogram import LogHistogram, bin_edges, bin_indices

few = settings(max_examples=50, deadline=None)

floats = arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@few
@given(floats)
def test_bins_are_the_upper_half_of_a_float32_as_torch_sees_it(x):
    theirs = (torch.from_numpy(x).view(torch.int32) >> 16) & 0xFFFF
    assert bin_indices(x).tolist() == theirs.tolist()
    truncated = torch.from_numpy(bin_indices(x).astype(np.uint16).view(np.int16)).view(torch.bfloat16).double().numpy()
    assert np.all(np.abs(truncated) <= np.abs(x))


@few
@given(floats)
def test_every_value_lies_in_its_bin(x):
    low, high = bin_edges(bin_indices(x))
    tiny = np.abs(x) < 2.0**-133
    assert np.all(tiny | ((low <= x) & (x <= high)))
    assert np.all(high[tiny] == 0)
    assert np.all(low[tiny] == 0)
    normal = np.abs(x) >= np.finfo(np.float32).tiny
    assert np.all((high - low)[normal] <= np.abs(x[normal].astype(float)) / 128)


@few
@given(floats, floats)
def test_histograms_add_up_in_any_order(x, y):
    both = sparse(count(np.concatenate([x, y])))
    assert np.array_equal(sparse(count(x) + count(y)).bins, both.bins)
    assert np.array_equal(sparse(count(x) + count(y)).counts, both.counts)
    assert count(x).shape == (BINS,)


@few
@given(floats)
def test_cells_are_ordered_and_end_at_the_exact_extremes(x):
    cells = sparse(count(x)).cells(float(x.min()), float(x.max()))
    assert cells.mass.sum() == len(x)
    assert np.all(cells.low <= cells.high)
    assert np.all(cells.high[0, :-1] <= cells.low[0, 1:])
    assert cells.low[0, 0] >= x.min()
    assert cells.high[0, -1] <= x.max()
    assert np.all((cells.low >= 0) | (cells.high <= 0))


def test_both_zeros_are_the_point_zero():
    histogram = sparse(count(np.array([0.0, -0.0, 0.0], np.float32)))
    cells = histogram.cells(0.0, 0.0)
    assert cells.low.tolist() == cells.high.tolist() == [[0.0, 0.0]]
    assert cells.mass.sum() == 3


def test_nothing_was_counted():
    empty = LogHistogram(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert empty.cells(0.0, 0.0).mass.shape == (1, 0)
    assert sparse(np.zeros(BINS)).bins.size == 0


def test_mean_comes_back_within_half_a_bin():
    x = np.random.default_rng(0).gamma(2.0, size=100_000).astype(np.float32)
    cells = sparse(count(x)).cells(float(x.min()), float(x.max()))
    assert float(np.sum((cells.low + cells.high) / 2 * cells.mass)) == pytest.approx(
        float(x.sum(dtype=np.float64)), rel=1e-3
    )
