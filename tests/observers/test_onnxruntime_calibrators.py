"""Ranges against ONNX Runtime's percentile and entropy calibrators on the same data."""

import contextlib
import io

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector
from scipy.stats import entropy

from qdash.quant.statistics import Statistics
from qdash.registry import family

OBSERVERS, FORMATS = family("observers"), family("formats")
BINS = 2048
N = 50_007  # no percentile of the test falls on a whole number of values, where rounding would decide


def theirs(method: str, x: np.ndarray, symmetric: bool, percentile: float = 99.9) -> tuple[float, float]:
    """Their (low, high); 128 bins and levels for entropy and 2,048 bins for percentile are their defaults."""
    bins = 128 if method == "entropy" else BINS
    collector = HistogramCollector(method, symmetric, bins, 128, percentile, "same")
    with contextlib.redirect_stdout(io.StringIO()):
        collector.collect({"x": x[None]})
        low, high = collector.compute_collection_result()["x"][:2]
    return float(low), float(high)


def ours(spec: str, x: np.ndarray, scheme: str) -> tuple[float, float]:
    low, high = OBSERVERS.create(spec).clipping_range(Statistics.from_values(x[None]), FORMATS.create("int8"), scheme)
    return float(low[0]), float(high[0])


def samples(data: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    return {
        "normal": rng.normal(size=N),
        "laplace": rng.laplace(size=N),
        "relu": np.maximum(rng.normal(size=N), 0),
        "skewed": rng.gamma(2, size=N) - 1,
        "student": rng.standard_t(4, size=N),
    }[data].astype(np.float32)


DATA = ["normal", "laplace", "relu", "skewed", "student"]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("percent", [99.0, 99.9, 99.99])
def test_percentile_agrees_within_a_bin_of_theirs_and_keeps_the_exact_share(data, percent):
    x = samples(data)
    spec = f"percentile:percentile={percent}"
    width = float(np.abs(x).max()) / BINS
    other = max(map(abs, theirs("percentile", x, True, percent)))  # they also clip it to the minimum and the maximum
    assert ours(spec, x, "symmetric")[1] == pytest.approx(other, abs=1.01 * width)
    for mine, end in zip(ours(spec, x, "affine"), theirs("percentile", x, False, percent), strict=True):
        assert mine == pytest.approx(end, abs=2.02 * width)

    def missed(high: float) -> float:
        return abs(np.mean(np.abs(x) <= high) - percent / 100)

    assert missed(ours(spec, x, "symmetric")[1]) <= 1 / len(x)
    assert missed(ours(spec, x, "symmetric")[1]) <= missed(other)


def divergence(x: np.ndarray, threshold: float) -> float:
    """KL of Migacz, GTC 2017, S7310, written out: 2,048 bins of |x|, 128 levels, outliers in the last bin."""
    magnitude = np.abs(x[x != 0])
    counts = np.histogram(magnitude, BINS, (0, magnitude.max()))[0].astype(float)
    kept = min(BINS, max(128, round(threshold / magnitude.max() * BINS)))
    reference, quantized = counts[:kept].copy(), np.zeros(kept)
    reference[-1] += counts[kept:].sum()
    level = np.arange(kept) * 128 // kept
    for index in range(128):
        occupied = (level == index) & (counts[:kept] > 0)
        if occupied.any():
            quantized[occupied] = counts[:kept][level == index].sum() / occupied.sum()
    return float(entropy(reference, quantized))


@pytest.mark.parametrize("data", DATA)
def test_entropy_never_loses_more_information_than_theirs(data):
    x = samples(data)
    assert divergence(x, ours("entropy", x, "symmetric")[1]) <= divergence(x, max(map(abs, theirs("entropy", x, True))))
