"""The KL criterion against a literal version of the published algorithm."""

import ml_dtypes
import numpy as np
import pytest
from histograms import count, sparse
from scipy.stats import entropy

from qdash.observers.entropy import bin_edges, kl_divergences
from qdash.quant.statistics import Statistics
from qdash.registry import family

OBSERVERS, FORMATS = family("observers"), family("formats")


def literal(counts: np.ndarray, kept: int, levels: int) -> float:
    """Migacz, GTC 2017, S7310: reference P with outliers in its last bin; Q merged to levels and expanded again."""
    reference = counts[:kept].copy()
    reference[-1] += counts[kept:].sum()
    quantized = np.zeros(kept)
    level = np.arange(kept) * levels // kept
    for index in range(levels):
        occupied = (level == index) & (counts[:kept] > 0)
        if occupied.any():
            quantized[occupied] = counts[:kept][level == index].sum() / occupied.sum()
    return float(entropy(reference, quantized)) if quantized.any() else np.inf


@pytest.mark.parametrize("levels", [4, 8, 16])
@pytest.mark.parametrize("empty", [0.0, 0.4])
def test_equals_the_literal_algorithm(levels, empty):
    rng = np.random.default_rng(levels)
    counts = np.floor(2000 * np.exp(-np.arange(160) / 25)) + rng.integers(0, 9, 160)
    counts[rng.random(160) < empty] = 0
    edges = bin_edges(np.linspace(0, 1, levels + 1), 160, 20, 1)
    expected = [literal(counts, kept, levels) for kept in edges[:, -1]]
    assert edges[:, -1].tolist() == list(range(160, 19, -1))
    assert kl_divergences(counts, edges) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("data", ["laplace", "normal", "relu"])
def test_threshold_is_the_literal_minimum(data):
    x = (
        np.random.default_rng(1).laplace(size=30_000)
        if data == "laplace"
        else np.random.default_rng(1).normal(size=30_000)
    )
    x = np.maximum(x, 0) if data == "relu" else x
    magnitude = np.abs(x[x != 0])
    counts = np.histogram(magnitude, 2048, (0, magnitude.max()))[0].astype(float)
    _, high = OBSERVERS.create("entropy").clipping_range(
        Statistics.from_values(x[None]), FORMATS.create("int4"), "symmetric"
    )
    kept = round(high[0] / magnitude.max() * 2048)
    others = range(128, 2049, 37)
    assert high[0] == pytest.approx(magnitude.max() * kept / 2048)
    assert literal(counts, kept, 8) <= min(literal(counts, other, 8) for other in others) + 1e-9


def threshold(x: np.ndarray, format: str = "int8", scheme: str = "symmetric") -> float:
    x = x.astype(np.float32)
    statistics = Statistics.from_histogram(x.min(), x.max(), [x.min()], [x.max()], *sparse(count(x)))
    return float(OBSERVERS.create("entropy").clipping_range(statistics, FORMATS.create(format), scheme)[1][0])


def test_a_laplace_is_clipped_and_a_uniform_is_not():
    rng = np.random.default_rng(0)
    laplace, uniform = rng.laplace(size=200_000), rng.uniform(-1, 1, 200_000)
    assert threshold(laplace) < 0.9 * abs(laplace).max()
    assert threshold(laplace, "int4") < threshold(laplace)
    assert threshold(uniform) > 0.99
    assert threshold(uniform, "int4") > 0.99


def test_affine_clips_both_ends_and_zeros_do_not_count():
    x = np.concatenate([np.random.default_rng(0).laplace(size=50_000), [25.0]]).astype(np.float32)
    statistics = Statistics.from_values(x[None])
    low, high = OBSERVERS.create("entropy").clipping_range(statistics, FORMATS.create("int8"), "affine")
    assert low[0] == max(x.min(), -high[0])
    assert high[0] < 25
    many_zeros = np.concatenate([x, np.zeros(100_000)])
    assert threshold(many_zeros) == threshold(x)


def test_fewer_values_than_bins_are_not_clipped():
    """2,048 bins of 40 values are nearly all empty: any threshold seems to lose nothing."""
    x = np.random.default_rng(0).laplace(size=(30, 40)).astype(np.float32)
    _, high = OBSERVERS.create("entropy").clipping_range(Statistics.from_values(x), FORMATS.create("int8"), "symmetric")
    assert high.tolist() == np.abs(x).max(axis=1).tolist()


@pytest.mark.parametrize("format", ["int8", "int6", "int4"])
def test_a_few_discrete_values_are_not_clipped_to_the_smallest(format):
    """Pixels of 17 grey levels: the first candidate keeps one of them, a distribution equal to itself."""
    x = (np.random.default_rng(0).integers(0, 17, (1, 20_000)) / 16).astype(np.float32)
    statistics = Statistics.from_histogram(x.min(), x.max(), x.min(1), x.max(1), *sparse(count(x)))
    _, high = OBSERVERS.create("entropy").clipping_range(statistics, FORMATS.create(format), "affine")
    assert high[0] > 0.8


@pytest.mark.parametrize("format", ["fp8_e4m3fn", "fp8_e5m2"])
def test_float_levels_are_the_literal_minimum_too(format):
    """Levels between the numbers of the format instead of equal ones."""
    x = np.abs(np.random.default_rng(2).laplace(size=40_000)).astype(np.float32)
    counts = np.histogram(x, 2048, (0, x.max()))[0].astype(float)
    dtype = {"fp8_e4m3fn": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2}[format]
    numbers = np.arange(128, dtype=np.uint8).view(dtype).astype(float)
    numbers = numbers[np.isfinite(numbers)] / numbers[np.isfinite(numbers)].max()
    boundaries = (numbers[1:] + numbers[:-1]) / 2

    def divergence(kept):
        reference, quantized = counts[:kept].copy(), np.zeros(kept)
        reference[-1] += counts[kept:].sum()
        level = np.searchsorted(boundaries * kept, np.arange(kept), side="right")
        for index in np.unique(level):
            occupied = (level == index) & (counts[:kept] > 0)
            if occupied.any():
                quantized[occupied] = counts[:kept][level == index].sum() / occupied.sum()
        return float(entropy(reference, quantized))

    statistics = Statistics.from_values(x[None])
    _, high = OBSERVERS.create("entropy").clipping_range(statistics, FORMATS.create(format), "symmetric")
    kept = round(high[0] / float(x.max()) * 2048)
    assert divergence(kept) <= min(divergence(other) for other in range(200, 2049, 61)) * (1 + 1e-3)


def test_more_levels_than_bins_clip_nothing():
    x = np.random.default_rng(0).laplace(size=1000)
    assert threshold(x, "int16") == np.abs(x.astype(np.float32)).max()
