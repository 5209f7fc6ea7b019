"""Quantile ranges against NumPy."""

import numpy as np
import pytest
from histograms import count, sparse

from qdash.errors import SpecError
from qdash.quant.statistics import Statistics
from qdash.registry import family

INT8 = family("formats").create("int8")


@pytest.mark.parametrize("percent", [90, 99, 99.9])
@pytest.mark.parametrize("exact", [True, False])
def test_equals_numpys_quantiles(percent, exact):
    x = np.random.default_rng(0).normal(0.2, size=20_001).astype(np.float32)
    histogram = Statistics.from_histogram(x.min(), x.max(), [x.min()], [x.max()], *sparse(count(x)))
    statistics = Statistics.from_values(x[None]) if exact else histogram
    observer = family("observers").create(f"percentile:percentile={percent}")
    tail = (1 - percent / 100) / 2
    expected = np.quantile(x, [tail, 1 - tail], method="inverted_cdf")
    tolerance = 1e-12 if exact else 1 / 128
    assert np.ravel(observer.clipping_range(statistics, INT8, "affine")) == pytest.approx(expected, rel=tolerance)
    low, high = observer.clipping_range(statistics, INT8, "symmetric")
    assert high[0] == pytest.approx(np.quantile(np.abs(x), percent / 100, method="inverted_cdf"), rel=tolerance)
    assert low[0] == -high[0]


def test_an_outlier_is_cut_off():
    x = np.append(np.random.default_rng(0).normal(size=100_000), 1e30).astype(np.float32)
    statistics = Statistics.from_histogram(x.min(), x.max(), [x.min()], [x.max()], *sparse(count(x)))
    assert 3 < family("observers").create("percentile").clipping_range(statistics, INT8, "affine")[1][0] < 5


def test_all_of_it_is_min_max():
    x = np.random.default_rng(0).normal(size=(3, 500))
    ours, theirs = (
        family("observers").create(name).clipping_range(Statistics.from_values(x), INT8, "affine")
        for name in ("percentile:percentile=100", "min_max")
    )
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("wrong", ["0", "101", "many"])
def test_a_wrong_share_is_refused(wrong):
    with pytest.raises(SpecError, match="percentile"):
        family("observers").create(f"percentile:percentile={wrong}")
