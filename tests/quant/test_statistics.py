"""Statistics from values and from a calibration pass."""

import numpy as np
from histograms import count, sparse

from qdash.quant.statistics import Statistics


def test_from_values_is_exact():
    x = np.random.default_rng(0).normal(size=(4, 30)).astype(np.float32)
    statistics = Statistics.from_values(x)
    assert statistics.exact
    assert statistics.minimum.dtype == np.float64
    assert statistics.minimum.tolist() == x.min(axis=1).tolist()
    assert statistics.batch_maximum.tolist() == [x.max(axis=1).tolist()]
    assert statistics.cells.low is statistics.cells.high
    assert statistics.cells.mass.sum(axis=1).tolist() == [30] * 4


def test_rows_without_values_and_rows_with_nan():
    assert Statistics.from_values(np.zeros((3, 0), np.float32)).maximum.tolist() == [0, 0, 0]
    mixed = Statistics.from_values(np.array([[1.0, np.nan], [1.0, 2.0], [np.inf, 0.0]], np.float32))
    assert np.isnan(mixed.minimum[0])
    assert mixed.maximum[1] == 2
    assert mixed.cells.mass.sum(axis=1).tolist() == [0, 2, 0]
    assert np.isfinite(mixed.cells.low).all()


def test_from_histogram_keeps_the_exact_extremes():
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    bins, counts = sparse(count(x[:100]))
    lows, highs = x.reshape(10, 100).min(axis=1), x.reshape(10, 100).max(axis=1)
    statistics = Statistics.from_histogram(x.min(), x.max(), lows, highs, bins, counts)
    assert not statistics.exact
    assert statistics.minimum.tolist() == [x.min()]
    assert statistics.batch_minimum.shape == (10, 1)
    assert statistics.cells.mass.sum() == 100
    assert not statistics.one_sided


def test_from_histogram_of_nothing_and_of_nan():
    nothing = np.zeros(0, np.int32)
    assert Statistics.from_histogram(np.float64(0), np.float64(0), np.zeros(1), np.zeros(1), nothing, nothing).one_sided
    nan = np.float64(np.nan)
    broken = Statistics.from_histogram(nan, nan, np.array([nan]), np.array([nan]), np.array([0x7FC0]), np.array([1]))
    assert np.isnan(broken.minimum).all()
    assert broken.cells.mass.size == 0
