"""The search against brute force with NumPy."""

import numpy as np
import pytest
from histograms import count, sparse

from qdash.quant.statistics import Statistics
from qdash.registry import family

OBSERVERS, FORMATS = family("observers"), family("formats")


def error_of(x: np.ndarray, format: str, scheme: str, low: float, high: float) -> float:
    """Σ(x − x̃)² by quantizing the values."""
    member = FORMATS.create(format)
    scale, zero_point = member.parameters(np.array(low), np.array(high), scheme)
    return float(np.sum((x - member.fake_quantize(x, scale, zero_point, scheme)) ** 2))


def brute_force(x: np.ndarray, format: str, scheme: str, steps: int) -> float:
    fractions = np.linspace(1 / steps, 1, steps)
    if scheme == "symmetric":
        return min(error_of(x, format, scheme, -f * abs(x).max(), f * abs(x).max()) for f in fractions)
    ends = [(a, b) for a in fractions for b in fractions]
    return min(error_of(x, format, scheme, a * min(x.min(), 0), b * max(x.max(), 0)) for a, b in ends)


def samples(data: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return {
        "normal": rng.normal(size=n),
        "laplace": rng.laplace(size=n),
        "relu": np.maximum(rng.normal(size=n), 0),
        "skewed": rng.gamma(2, size=n) - 1,
        "student": rng.standard_t(3, size=n),
        "uniform": rng.uniform(-1, 2, n),
    }[data].astype(np.float32)


DATA = ["normal", "laplace", "relu", "skewed", "student", "uniform"]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("format", ["int2", "int4", "int8"])
@pytest.mark.parametrize(("scheme", "steps"), [("symmetric", 500), ("affine", 30)])
def test_as_good_as_brute_force_on_values(data, format, scheme, steps):
    x = samples(data, 200).astype(np.float64)
    low, high = OBSERVERS.create("mse").clipping_range(Statistics.from_values(x[None]), FORMATS.create(format), scheme)
    ours = error_of(x, format, scheme, low[0], high[0])
    assert ours <= 1.02 * brute_force(x, format, scheme, steps)
    assert ours <= error_of(x, format, scheme, -abs(x).max() if scheme == "symmetric" else x.min(), abs(x).max())


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("format", ["int3", "int4", "int6", "int8"])
@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
def test_as_good_as_brute_force_on_histograms(data, format, scheme):
    x, member = samples(data, 50_000), FORMATS.create(format)
    statistics = Statistics.from_histogram(x.min(), x.max(), [x.min()], [x.max()], *sparse(count(x)))
    low, high = OBSERVERS.create("mse").clipping_range(statistics, member, scheme)
    ours = member.squared_error(statistics.cells, low[:, None], high[:, None], scheme)[0, 0]
    fractions = np.linspace(0.02, 1, 50)
    a, b = (part.reshape(1, -1) for part in np.meshgrid(fractions, fractions))
    if scheme == "symmetric":
        b = np.linspace(0.001, 1, 1000)[None]
        candidates = -b * abs(x).max(), b * abs(x).max()
    else:
        candidates = a * x.min(), b * x.max()
    assert ours <= 1.01 * member.squared_error(statistics.cells, *candidates, scheme).min()


def test_per_channel_equals_one_channel_at_a_time():
    x = np.random.default_rng(0).laplace(size=(6, 900)) * np.logspace(-3, 3, 6)[:, None]
    member = FORMATS.create("int4")
    low, high = OBSERVERS.create("mse").clipping_range(Statistics.from_values(x), member, "symmetric")
    for row, bound in zip(x, high, strict=True):
        ours = error_of(row, "int4", "symmetric", -bound, bound)
        assert ours <= 1.01 * brute_force(row, "int4", "symmetric", 200)
    assert np.array_equal(low, -high)


def test_long_rows_are_searched_on_a_coarser_distribution():
    x = samples("laplace", 20_000).astype(np.float64)
    low, high = OBSERVERS.create("mse").clipping_range(
        Statistics.from_values(x[None]), FORMATS.create("int4"), "symmetric"
    )
    assert error_of(x, "int4", "symmetric", low[0], high[0]) <= 1.005 * brute_force(x, "int4", "symmetric", 300)


@pytest.mark.parametrize(
    ("format", "together", "alone"),
    [("int3", 1.005, 1.025), ("int4", 1.005, 1.025), ("int8", 1.005, 1.025), ("fp8_e4m3fn", 1.025, 1.1)],
)
def test_large_weights_are_close_to_the_exact_optimum(format, together, alone):
    """Rows of 4,608 values: found on a coarse histogram, chosen on the values.

    A float format has one nearly equal minimum in every octave of the range; not all of them are looked at.
    """
    rng = np.random.default_rng(1)
    x = (rng.standard_t(5, size=(24, 4608)) * np.exp(rng.normal(size=(24, 1)))).astype(np.float32)
    statistics, member = Statistics.from_values(x), FORMATS.create(format)
    low, high = OBSERVERS.create("mse").clipping_range(statistics, member, "symmetric")
    ours = member.squared_error(statistics.cells, low[:, None], high[:, None], "symmetric")[:, 0]
    ends = np.exp(np.linspace(np.log(0.03), 0, 500)) * np.abs(x).max(axis=1, keepdims=True).astype(float)
    best = member.squared_error(statistics.cells, -ends, ends, "symmetric").min(axis=1)
    assert ours.sum() <= together * best.sum()
    assert np.all(ours <= alone * best)


def test_a_finite_grid_of_values_loses_nothing():
    x = np.arange(-7, 8, dtype=np.float64)
    low, high = OBSERVERS.create("mse").clipping_range(
        Statistics.from_values(x[None]), FORMATS.create("int4"), "symmetric"
    )
    assert error_of(x, "int4", "symmetric", low[0], high[0]) == pytest.approx(0, abs=1e-9)
