"""Tango's interval against published values, an independent root finder and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from qdash.stats.tango import tango_interval

few = settings(max_examples=50, deadline=None)

counts = st.integers(0, 40).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, 40), st.integers(1, 400)))


def test_published_interval():
    """Airway hyper-responsiveness before and after transplantation (1, 1; 7, 12), Fagerland et al. 2014."""
    low, high = tango_interval(1, 7, 21)
    assert (round(float(low), 3), round(float(high), 3)) == (-0.517, -0.026)


def test_without_discordant_pairs_it_is_the_closed_form():
    """With b = c = 0 the score equation is nδ/(1 − δ) = z²."""
    z2 = norm.ppf(0.975) ** 2
    low, high = tango_interval(0, 0, 100)
    assert float(high) == pytest.approx(z2 / (100 + z2), rel=1e-12)
    assert float(low) == -float(high)


def score(delta: float, b: int, c: int, n: int) -> float:
    """Tango's statistic with the nuisance parameter found by maximising the likelihood numerically."""

    def minus_log_likelihood(q: float) -> float:
        cells = ((b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta))
        return -sum(k * np.log(max(p, 1e-300)) for k, p in cells if k)

    bounds = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
    return (b - c - n * delta) / np.sqrt(n * (2 * q + delta - delta**2))


@pytest.mark.parametrize(
    ("b", "c", "n"), [(40, 20, 160), (3, 9, 200), (1, 0, 44), (12, 2, 50), (5, 5, 1000), (30, 1, 60)]
)
def test_bounds_solve_the_score_equation(b, c, n):
    low, high = (float(bound) for bound in tango_interval(b, c, n))
    z, estimate = norm.ppf(0.975), (b - c) / n
    assert low == pytest.approx(brentq(lambda d: score(d, b, c, n) - z, -0.999, estimate - 1e-9, xtol=1e-12), abs=1e-6)
    assert high == pytest.approx(brentq(lambda d: score(d, b, c, n) + z, estimate + 1e-9, 0.999, xtol=1e-12), abs=1e-6)


@few
@given(counts)
def test_laws(table):
    b, c, more = table
    n = b + c + more - 1
    if n == 0:
        return
    low, high = tango_interval(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert high - low > 0
    assert [-high, -low] == pytest.approx([float(bound) for bound in tango_interval(c, b, n)], abs=1e-12)
    wider = tango_interval(b, c, n, confidence=0.99)
    assert wider[0] <= low
    assert wider[1] >= high


def test_arrays_edges_and_errors():
    low, high = tango_interval([0, 3, 0, 0], [0, 0, 5, 0], [10, 3, 5, 0])
    assert high[1] == 1
    assert low[2] == -1
    assert np.isnan(low[3])
    assert np.isnan(high[3])
    for wrong in [(5, 6, 10), (-1, 0, 10)]:
        with pytest.raises(ValueError, match="at most n"):
            tango_interval(*wrong)


def test_coverage_with_few_discordant_pairs():
    rng, covered = np.random.default_rng(0), []
    for n in (200, 500, 1000, 2000):
        for discordant in (0.002, 0.005, 0.01, 0.02, 0.05):
            for skew in (0.5, 0.7, 0.9):
                gain, loss = discordant * (1 - skew), discordant * skew
                drawn = rng.multinomial(n, [gain, loss, 1 - discordant], 1000)
                low, high = tango_interval(drawn[:, 0], drawn[:, 1], n)
                covered.append(np.mean((low <= gain - loss) & (gain - loss <= high)))
    assert np.mean(covered) >= 0.94
    assert np.mean(covered) <= 0.985
    assert min(covered) >= 0.9
