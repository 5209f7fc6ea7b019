"""One value far away from all others, in a histogram: what each criterion makes of it."""

import numpy as np
import pytest
from histograms import count, sparse

from qdash.quant.statistics import Statistics
from qdash.registry import family

OBSERVERS, FORMATS = family("observers"), family("formats")


def with_outlier(outlier: float) -> tuple[np.ndarray, Statistics]:
    x = np.append(np.random.default_rng(0).normal(size=20_000), outlier).astype(np.float32)
    return x, Statistics.from_histogram(x.min(), x.max(), [x.min()], [x.max()], *sparse(count(x)))


@pytest.mark.parametrize("format", ["int2", "int3", "int4", "int6", "int8", "fp8_e4m3fn"])
@pytest.mark.parametrize("outlier", [1e30, -1e6, 60.0])
def test_mse_is_as_good_as_brute_force_on_the_values(format, outlier):
    """The histogram knows the extremes exactly: the outlier's error counts as what it is."""
    x, statistics = with_outlier(outlier)
    member = FORMATS.create(format)
    exact = Statistics.from_values(x.astype(np.float64)[None])
    candidates = np.linspace(0.001, 1, 1000)[None] * abs(outlier)
    brute = member.squared_error(exact.cells, -candidates, candidates, "symmetric").min()
    low, high = OBSERVERS.create("mse").clipping_range(statistics, member, "symmetric")
    ours = member.squared_error(exact.cells, low[:, None], high[:, None], "symmetric")[0, 0]
    assert ours <= 1.01 * brute


@pytest.mark.parametrize("outlier", [1e30, -1e6, 1e3])
@pytest.mark.parametrize("format", ["int4", "int8", "fp8_e4m3fn"])
@pytest.mark.parametrize("exact", [True, False])
def test_entropy_looks_at_the_values_and_not_at_the_outlier(outlier, format, exact):
    x, statistics = with_outlier(outlier)
    statistics = Statistics.from_values(x[None]) if exact else statistics
    observer, member = OBSERVERS.create("entropy"), FORMATS.create(format)
    _, high = observer.clipping_range(statistics, member, "symmetric")
    _, without = observer.clipping_range(Statistics.from_values(x[None, :-1]), member, "symmetric")
    assert 0.5 * without[0] <= high[0] <= 2 * abs(x[:-1]).max()
