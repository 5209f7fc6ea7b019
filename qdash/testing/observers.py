"""Laws of observers: what a clipping range may be, whatever the criterion that chose it."""

from typing import ClassVar

import numpy as np
import pytest

from qdash.formats.base import ScaledFormat
from qdash.observers.base import Observer, Range
from qdash.quant.log_histogram import bin_indices
from qdash.quant.statistics import Statistics
from qdash.registry import family
from qdash.testing.laws import Laws

both_schemes = pytest.mark.parametrize("scheme", ["affine", "symmetric"])
DEGENERATE = {
    "constant": np.full(50, 3.5),
    "negative constant": np.full(50, -3.5),
    "zeros": np.zeros(50),
    "subnormal": np.append(np.zeros(99), 1e-44),
    "outlier": np.append(np.random.default_rng(0).normal(size=500), 1e30),
    "whole float32": np.array([-3e38, 3e38]),
}


class ObserverLaws(Laws):
    """Over float32 values as they are, and over the histograms that a calibration pass keeps."""

    family: ClassVar[str] = "observers"

    @both_schemes
    @pytest.mark.parametrize("length", [1, 2, 12])
    def test_a_range_holds_zero_and_nothing_that_was_not_seen(self, member: Observer, scheme: str, length: int) -> None:
        rng = np.random.default_rng(length)
        rows = rng.normal(size=(60, length)) * np.exp2(rng.uniform(-100, 100, (60, 1)))
        rows[20:30], rows[30:40] = abs(rows[20:30]), -abs(rows[30:40])
        statistics = Statistics.from_values(rows.astype(np.float32))
        check(statistics, *chosen(member, statistics, scheme, "int4"), scheme)

    @both_schemes
    @pytest.mark.parametrize("format", ["int2", "uint8", "int16", "fp8_e4m3fn"])
    @pytest.mark.parametrize("values", DEGENERATE.values(), ids=DEGENERATE)
    def test_degenerate_tensors_give_finite_ranges(
        self, member: Observer, scheme: str, format: str, values: np.ndarray
    ) -> None:
        unsigned = not scaled(format).has_negative_numbers
        x = np.abs(values) if unsigned else values
        for statistics in (as_histogram(x, 2), Statistics.from_values(np.stack([x, 0 * x]).astype(np.float32))):
            low, high = chosen(member, statistics, scheme, format)
            if unsigned and scheme == "symmetric":
                assert np.all(low == 0), "data without negative values need no negative half"
                low = -high
            check(statistics, low, high, scheme)
            assert np.isfinite(scaled("int8").parameters(low, high, scheme).scale).all()

    @both_schemes
    def test_nothing_seen_gives_an_empty_range(self, member: Observer, scheme: str) -> None:
        nothing = np.zeros(0, np.int32)
        for statistics in (
            Statistics.from_values(np.zeros((2, 0), np.float32)),
            Statistics.from_histogram(np.zeros(()), np.zeros(()), np.zeros(1), np.zeros(1), nothing, nothing),
        ):
            assert not np.any(chosen(member, statistics, scheme))

    @pytest.mark.parametrize("value", [3.5, -3.5])
    def test_a_constant_keeps_its_value(self, member: Observer, value: float) -> None:
        low, high = chosen(member, Statistics.from_values(np.full((1, 50), value, np.float32)), "affine")
        assert (low[0], high[0]) == (min(value, 0), max(value, 0))

    @both_schemes
    def test_nan_in_a_row_is_not_hidden(self, member: Observer, scheme: str) -> None:
        x = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
        x[1, 7] = np.nan
        low, high = chosen(member, Statistics.from_values(x), scheme)
        assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False]

    @both_schemes
    def test_how_values_were_batched_doesn_t_matter_unless_it_says_so(self, member: Observer, scheme: str) -> None:
        x = np.random.default_rng(0).normal(size=400) * np.linspace(1, 3, 400)
        ranges = [chosen(member, as_histogram(*seen), scheme) for seen in ((x, 4), (x[::-1], 4), (x, 1))]
        same = [np.array_equal(ranges[0], other) for other in ranges[1:]]
        assert same == [not member.depends_on_batches] * 2

    @both_schemes
    def test_rows_are_independent(self, member: Observer, scheme: str) -> None:
        x = np.random.default_rng(0).normal(size=(5, 300)).astype(np.float32)
        x[3] = 0
        x[4] *= 1e20
        together = chosen(member, Statistics.from_values(x), scheme)
        swapped = chosen(member, Statistics.from_values(x[::-1]), scheme)
        assert np.array_equal(together, np.flip(swapped, axis=1))

    @both_schemes
    def test_the_unit_of_the_values_doesn_t_matter(self, member: Observer, scheme: str) -> None:
        x = np.random.default_rng(0).laplace(size=(2, 3000)).astype(np.float32)
        once, scaled_up = (chosen(member, Statistics.from_values(x * unit), scheme) for unit in (1, 1024))
        assert np.array_equal(np.multiply(once, 1024), scaled_up)
        once, scaled_up = (chosen(member, as_histogram(x[0] * unit), scheme) for unit in (1, 1024))
        assert np.array_equal(np.multiply(once, 1024), scaled_up)

    def test_a_symmetric_range_is_that_of_the_mirrored_values(self, member: Observer) -> None:
        x = np.random.default_rng(0).gamma(2, size=(2, 3000)).astype(np.float32) - 1
        seen, mirrored = (chosen(member, Statistics.from_values(sign * x), "symmetric") for sign in (1, -1))
        assert np.array_equal(seen, mirrored)

    def test_signed_and_unsigned_levels_are_alike_for_affine(self, member: Observer) -> None:
        statistics = as_histogram(np.random.default_rng(0).gamma(2, size=3000))
        signed, unsigned = (np.ravel(chosen(member, statistics, "affine", name)) for name in ("int8", "uint8"))
        assert signed == pytest.approx(unsigned, rel=1e-3)


def scaled(name: str) -> ScaledFormat:
    """A format that takes a clipping range."""
    found: ScaledFormat = family("formats").create(name)
    return found


def as_histogram(x: np.ndarray, batches: int = 4) -> Statistics:
    """What a calibration pass in so many batches keeps of values (n,)."""
    parts = np.array_split(x.astype(np.float32), batches)
    lows, highs = (np.array([float(extreme(part)) for part in parts]) for extreme in (np.min, np.max))
    bins, counts = np.unique(bin_indices(x), return_counts=True)
    return Statistics.from_histogram(lows.min(), highs.max(), lows, highs, bins, counts)


def chosen(member: Observer, statistics: Statistics, scheme: str, format: str = "int8") -> Range:
    """The member's range."""
    return member.clipping_range(statistics, scaled(format), scheme)


def check(statistics: Statistics, low: np.ndarray, high: np.ndarray, scheme: str) -> None:
    """Finite, around zero, and within what was seen."""
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
