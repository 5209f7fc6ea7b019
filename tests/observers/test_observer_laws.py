"""The laws of `observers/base.py` over all members."""

import numpy as np
import pytest
from histograms import count, sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.quant.statistics import Statistics
from qdash.registry import family

few = settings(max_examples=20, deadline=None)

OBSERVERS, FORMATS = family("observers"), family("formats")
SPECS = [spec for entry in OBSERVERS for spec in entry.describe()["examples"]]
SCHEMES = ["affine", "symmetric"]
rows = arrays(
    np.float32, st.tuples(st.integers(1, 3), st.integers(0, 12)), elements=st.floats(-(2.0**100), 2.0**100, width=32)
)


def as_histogram(x: np.ndarray, batches: int = 4) -> Statistics:
    parts = np.array_split(x.astype(np.float32), batches)
    lows, highs = ([f(part) for part in parts] for f in (np.min, np.max))
    return Statistics.from_histogram(x.min(), x.max(), lows, highs, *sparse(count(x)))


def chosen(spec: str, statistics: Statistics, scheme: str, format: str = "int8") -> tuple[np.ndarray, np.ndarray]:
    return OBSERVERS.create(spec).clipping_range(statistics, FORMATS.create(format), scheme)


def check(statistics: Statistics, low: np.ndarray, high: np.ndarray, scheme: str) -> None:
    assert low.shape == high.shape == statistics.minimum.shape
    assert low.dtype == high.dtype == np.float64
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    assert np.all(low <= 0)
    assert np.all(high >= 0)
    if scheme == "symmetric":
        assert np.array_equal(low, -high)
        assert np.all(high <= np.maximum(np.abs(statistics.minimum), np.abs(statistics.maximum)))
    else:
        assert np.all(low >= np.minimum(statistics.minimum, 0))
        assert np.all(high <= np.maximum(statistics.maximum, 0))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
@few
@given(x=rows)
def test_laws(spec, scheme, x):
    statistics = Statistics.from_values(x)
    check(statistics, *chosen(spec, statistics, scheme, "int4"), scheme)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("format", ["int2", "uint8", "int16", "fp8_e4m3fn"])
@pytest.mark.parametrize(
    "x",
    [
        np.full(50, 3.5), np.full(50, -3.5), np.zeros(50), np.append(np.zeros(99), 1e-44),
        np.append(np.random.default_rng(0).normal(size=500), 1e30), np.array([-3e38, 3e38]),
    ],
    ids=["constant", "negative constant", "zeros", "subnormal", "outlier", "whole float32"],
)  # fmt: skip
def test_degenerate_tensors_give_finite_ranges(spec, scheme, format, x):
    if format == "uint8":
        x = np.abs(x)
    for statistics in (as_histogram(x, 2), Statistics.from_values(np.stack([x, 0 * x]).astype(np.float32))):
        low, high = chosen(spec, statistics, scheme, format)
        if format == "uint8" and scheme == "symmetric":
            assert np.all(low == 0)
            low = -high
        check(statistics, low, high, scheme)
        scale = FORMATS.create("int8").parameters(low, high, scheme).scale
        assert np.isfinite(scale).all()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_seen_gives_an_empty_range(spec, scheme):
    nothing = np.zeros(0, np.int32)
    for statistics in (
        Statistics.from_values(np.zeros((2, 0), np.float32)),
        Statistics.from_histogram(np.zeros(()), np.zeros(()), np.zeros(1), np.zeros(1), nothing, nothing),
    ):
        low, high = chosen(spec, statistics, scheme)
        assert np.all(low == 0)
        assert np.all(high == 0)


@pytest.mark.parametrize("spec", SPECS)
def test_a_constant_keeps_its_value(spec):
    for x in (np.full((1, 50), 3.5, np.float32), np.full((1, 50), -3.5, np.float32)):
        low, high = chosen(spec, Statistics.from_values(x), "affine")
        assert (low[0], high[0]) == (min(x[0, 0], 0), max(x[0, 0], 0))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nan_in_a_row_is_not_hidden(spec, scheme):
    x = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    x[1, 7] = np.nan
    low, high = chosen(spec, Statistics.from_values(x), scheme)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False]


@pytest.mark.parametrize("name", [name for name in OBSERVERS.names() if name != "moving_average"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_batch_order_does_not_matter(name, scheme):
    x = np.random.default_rng(0).normal(size=400).astype(np.float32)
    assert chosen(name, as_histogram(x), scheme) == chosen(name, as_histogram(x[::-1]), scheme)


@pytest.mark.parametrize("name", OBSERVERS.names())
@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_are_independent(name, scheme):
    x = np.random.default_rng(0).normal(size=(5, 300)).astype(np.float32)
    x[3] = 0
    x[4] *= 1e20
    together = chosen(name, Statistics.from_values(x), scheme)
    swapped = chosen(name, Statistics.from_values(x[::-1]), scheme)
    for bound, other in zip(together, swapped, strict=True):
        assert bound.tolist() == other[::-1].tolist()


@pytest.mark.parametrize("name", OBSERVERS.names())
def test_help_and_options(name):
    entry = OBSERVERS.entry(name).describe()
    assert len(entry["help"]) > 60
    assert all(option["help"] for option in entry["options"])


def test_int8_and_uint8_are_alike_for_affine():
    x = np.random.default_rng(0).gamma(2, size=3000)
    for name in OBSERVERS.names():
        signed, unsigned = (np.ravel(chosen(name, as_histogram(x), "affine", f)) for f in ("int8", "uint8"))
        assert signed == pytest.approx(unsigned, rel=1e-3)
