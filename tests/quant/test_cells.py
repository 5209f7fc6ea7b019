"""Closed forms against numeric integration, sampled points and NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from histograms import count, sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kurtosis as kurtosis_of_values

from qdash.quant.affine import fake_quantize
from qdash.quant.cells import Cells, linear_histogram, magnitudes, quantile
from qdash.quant.coarse import coarsened
from qdash.quant.minifloat import E4M3FN
from qdash.quant.moments import kurtosis
from qdash.quant.squared_error import squared_error as rounded_squared_error
from qdash.quant.squared_error import uniform_squared_error as squared_error

few = settings(max_examples=50, deadline=None)

edge = st.floats(-40, 40)


def points(values: np.ndarray) -> Cells:
    return Cells(values, values, np.ones_like(values))


def cell(a: float, b: float, mass: float = 1.0) -> Cells:
    return Cells(np.array([[a]]), np.array([[b]]), np.array([[mass]]))


@few
@given(
    a=st.floats(0.0, 40),
    width=st.floats(0.01, 30),
    scale=st.floats(0.05, 5),
    low=st.integers(-9, 0),
    high=st.integers(1, 9),
)
def test_one_cell_equals_numeric_integration(a, width, scale, low, high):
    b, grid = a + width, np.arange(low, high + 1) * scale
    kinks = (grid[1:] + grid[:-1]) / 2
    inner = [a, *kinks[(kinks > a) & (kinks < b)], b]
    expected = sum(quad(lambda x: float(np.min((x - grid) ** 2)), left, right)[0] for left, right in pairwise(inner))
    ours = squared_error(cell(a, b, 3.0), *(np.array([[v]]) for v in (scale, low, high)))[0, 0]
    assert ours == pytest.approx(3 * expected / width, rel=1e-6, abs=1e-12)


@few
@given(st.lists(edge, min_size=1, max_size=30), st.floats(0.05, 5))
def test_points_equal_fake_quantize(values, scale):
    x = np.array([values])
    ours = squared_error(points(x), *(np.array([[v]]) for v in (scale, -8, 7)))[0, 0]
    as_cells = squared_error(Cells(x, x.copy(), np.ones_like(x)), *(np.array([[v]]) for v in (scale, -8, 7)))[0, 0]
    expected = np.sum((x - fake_quantize(x, scale, 0, -8, 7)) ** 2)
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-20)
    assert as_cells == pytest.approx(expected, rel=1e-9, abs=1e-20)


def test_a_sliver_across_a_tie_has_the_error_of_the_tie():
    for width in (1e-3, 1e-7, 1e-12):
        error = squared_error(cell(0.5 - width, 0.5 + width), *(np.array([[v]]) for v in (1.0, -8, 7)))[0, 0]
        assert error == pytest.approx(0.25, abs=2 * width + 1e-4)


def test_many_rows_candidates_and_blocks_are_independent():
    rng = np.random.default_rng(0)
    low = np.sort(rng.uniform(0, 5, (7, 1999)), axis=1)
    cells = Cells(low, low + rng.uniform(0, 0.1, low.shape), rng.uniform(0, 2, low.shape))
    scale, lowest = rng.uniform(0.01, 1, (7, 23)), rng.integers(-9, 0, (7, 23))
    together = squared_error(cells, scale, lowest, lowest + 15)
    for row, candidate in [(0, 0), (3, 11), (6, 22)]:
        at = (slice(row, row + 1), slice(candidate, candidate + 1))
        alone = squared_error(Cells(*(part[row : row + 1] for part in cells)), scale[at], lowest[at], lowest[at] + 15)
        assert together[at] == pytest.approx(alone, rel=1e-12)
    many = np.abs(rng.normal(size=(1, 50_000)))
    assert squared_error(points(many), np.ones((1, 1)), np.full((1, 1), -8), np.full((1, 1), 7))[0, 0] == pytest.approx(
        np.sum((many - np.clip(np.rint(many), -8, 7)) ** 2)
    )


def test_huge_outliers_stay_finite_and_exact():
    error = squared_error(
        points(np.array([[1e30, 0.0]])), np.full((1, 1), 1e-38), np.full((1, 1), -8), np.full((1, 1), 7)
    )
    assert error[0, 0] == pytest.approx(1e60)


def test_mean_error_of_a_histogram_is_that_of_its_values():
    x = np.random.default_rng(0).normal(size=300_000).astype(np.float32)
    cells = sparse(count(x)).cells(float(x.min()), float(x.max()))
    for scale in (0.05, 0.3, 1.0):
        ours = squared_error(cells, np.array([[scale]]), np.array([[-8]]), np.array([[7]]))[0, 0]
        assert ours == pytest.approx(np.sum((x - fake_quantize(x, np.float32(scale), 0, -8, 7)) ** 2.0), rel=5e-3)


@few
@given(st.lists(edge, min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_quantile_of_points_is_numpys_inverted_cdf(values, fraction):
    x = np.array([values])
    neighbours = [
        np.quantile(x[0], np.clip(fraction + nudge, 0, 1), method="inverted_cdf") for nudge in (-1e-12, 0, 1e-12)
    ]
    assert quantile(points(x), fraction)[0] in neighbours


def test_quantile_is_even_within_a_cell_and_nan_without_mass():
    assert quantile(cell(2.0, 4.0), 0.25)[0] == 2.5
    assert quantile(cell(-4.0, -2.0), 0.25)[0] == -3.5
    assert quantile(magnitudes(cell(-4.0, -2.0)), 0.25)[0] == 2.5
    assert np.isnan(quantile(cell(1.0, 2.0, 0.0), 0.5)).all()
    assert np.isnan(quantile(Cells(*np.zeros((3, 2, 0))), 0.5)).all()


def test_linear_histogram_of_points_is_numpys():
    x = np.random.default_rng(0).uniform(0, 3, (2, 1000))
    ours = linear_histogram(points(x), x.max(axis=1), 64)
    for row, values in zip(ours, x, strict=True):
        assert row.tolist() == np.histogram(values, 64, (0, values.max()))[0].tolist()


def test_linear_histogram_shares_cells_out_by_length():
    assert linear_histogram(cell(0.5, 3.0, 5.0), np.array([4.0]), 4).tolist() == [[1.0, 2.0, 2.0, 0.0]]
    assert linear_histogram(cell(3.5, 4.0, 5.0), np.array([4.0]), 4).tolist() == [[0.0, 0.0, 0.0, 5.0]]


def test_coarsening_keeps_mass_and_moments():
    x = np.random.default_rng(0).normal(size=(3, 20_000))
    x[1] = 0
    coarse = coarsened(points(x), 4, 10)
    assert coarse.mass.sum(axis=1).tolist() == [20_000] * 3
    middle = (coarse.low + coarse.high) / 2
    assert (middle**2 * coarse.mass).sum(axis=1) == pytest.approx((x**2).sum(axis=1), rel=5e-3)
    assert np.all((coarse.low >= 0) | (coarse.high <= 0))
    assert np.all(np.diff(coarse.low, axis=1) >= 0)


@few
@given(st.lists(edge, min_size=1, max_size=30), st.floats(0.05, 5))
def test_any_grid_on_points_equals_rounding_them(values, scale):
    x = np.array([values])
    expected = np.sum((x - scale * E4M3FN.round(x / scale)) ** 2)
    ours = rounded_squared_error(points(x), np.array([[scale]]), E4M3FN.round)[0, 0]
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-20)


def test_any_grid_on_cells_equals_the_closed_form_of_a_uniform_one():
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    cells = sparse(count(x)).cells(float(x.min()), float(x.max()))
    for scale in (0.02, 0.3):
        grid = np.array([[scale]])
        closed = squared_error(cells, grid, np.array([[-8]]), np.array([[7]]))[0, 0]
        assert rounded_squared_error(cells, grid, lambda t: np.clip(np.rint(t), -8, 7))[0, 0] == pytest.approx(
            closed, rel=2e-3
        )


def test_points_of_float32_are_rounded_as_float32():
    x = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32)
    scale = np.full((3, 1), np.float32(0.03))
    alike = Cells(x, x, np.broadcast_to(np.ones((3, 1)), x.shape))
    expected = np.sum((x.astype(float) - fake_quantize(x, scale, 0, -127, 127)) ** 2, axis=1)
    assert alike.alike
    assert squared_error(alike, scale, 0 * scale - 127, 0 * scale + 127)[:, 0] == pytest.approx(expected, rel=1e-5)
    assert squared_error(points(x), scale, 0 * scale - 127, 0 * scale + 127)[:, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fraction", [0.0, 0.005, 0.5, 0.9999, 1.0])
def test_quantile_of_values_that_count_alike_is_numpys_too(fraction):
    x = np.random.default_rng(0).normal(size=(4, 1001)).astype(np.float32)
    alike = Cells(x, x, np.broadcast_to(np.ones((4, 1)), x.shape))
    assert quantile(alike, fraction).tolist() == np.quantile(x, fraction, axis=1, method="inverted_cdf").tolist()
    nothing = Cells(x, x, np.broadcast_to(np.zeros((4, 1)), x.shape))
    assert np.isnan(quantile(nothing, fraction)).all()


def test_linear_histogram_counts_what_lies_beyond_in_the_last_bin():
    assert linear_histogram(cell(1.5, 9.0, 5.0), np.array([4.0]), 4).tolist() == [[0, 1 / 3, 2 / 3, 4]]
    assert linear_histogram(points(np.array([[0.5, 1e30]])), np.array([4.0]), 4).tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("shape", ["normal", "laplace", "uniform"])
def test_kurtosis_is_scipys_plain_one(shape):
    draw = getattr(np.random.default_rng(3), shape)
    values = draw(size=(2, 4000)).astype(np.float32)
    exact = kurtosis_of_values(values.astype(np.float64), axis=1, fisher=False)
    assert kurtosis(points(values)) == pytest.approx(exact, rel=1e-9)
    histogram = sparse(count(values)).cells(float(values.min()), float(values.max()))
    assert kurtosis(histogram) == pytest.approx([kurtosis_of_values(values, axis=None, fisher=False)], rel=0.02)


def test_kurtosis_of_known_distributions():
    assert kurtosis(cell(2, 5)) == pytest.approx([1.8])
    assert kurtosis(points(np.array([[-1.0, 1.0]]))) == pytest.approx([1.0])
    outlier = np.append(np.random.default_rng(0).normal(size=999), 1e30)[None]
    assert kurtosis(points(outlier)) == pytest.approx(kurtosis_of_values(outlier, axis=1, fisher=False))
    tiny = np.random.default_rng(0).normal(size=(1, 999)) * 1e-40
    assert kurtosis(points(tiny)) == pytest.approx(kurtosis_of_values(tiny * 1e40, axis=1, fisher=False))


@pytest.mark.parametrize("values", [np.zeros((1, 0)), np.zeros((1, 3)), np.full((1, 3), 0.1)])
def test_what_does_not_vary_has_no_kurtosis(values):
    assert np.isnan(kurtosis(points(values))).all()
    assert np.isnan(kurtosis(Cells(values, values + 1, np.zeros_like(values)))).all()
