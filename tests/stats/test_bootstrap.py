"""BCa intervals of ratios of sums against scipy's, and their coverage."""

import numpy as np
import pytest
from scipy import stats

from qdash.stats.bootstrap import ratio_interval, sqnr_interval_db


def ratio(num: np.ndarray, den: np.ndarray, axis: int = -1) -> np.ndarray:
    return num.sum(axis=axis) / den.sum(axis=axis)


@pytest.mark.parametrize("kind", ["skewed", "correlated", "mean"])
def test_equals_scipy(kind):
    rng = np.random.default_rng(0)
    den = np.ones(80) if kind == "mean" else rng.gamma(5, size=80)
    num = rng.lognormal(sigma=1.2, size=80) if kind == "skewed" else den * rng.uniform(0.1, 0.2, 80)
    theirs = stats.bootstrap(
        (num, den), ratio, paired=True, n_resamples=20_000, method="BCa", random_state=1, batch=1000
    )
    low, high = ratio_interval(num[:, None], den, seed=2, resamples=20_000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.06 * width)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.06 * width)


def test_columns_are_independent_and_seeded():
    rng = np.random.default_rng(0)
    num, den = rng.gamma(2, size=(50, 6)), rng.gamma(3, size=(50, 6))
    together = ratio_interval(num, den, seed=7)
    for column in range(6):
        alone = ratio_interval(num[:, [column]], den[:, column], seed=7)
        assert [bound[column] for bound in together] == pytest.approx([bound[0] for bound in alone], rel=1e-12)
    assert np.array_equal(together, ratio_interval(num, den, seed=7))
    assert not np.array_equal(together, ratio_interval(num, den, seed=8))
    assert np.all(together[0] < ratio(num, den, 0))
    assert np.all(ratio(num, den, 0) < together[1])


def test_blocks_do_not_change_the_result(monkeypatch):
    num, den = np.random.default_rng(0).gamma(2, size=(2, 40, 1))
    whole = ratio_interval(num, den, seed=1)
    monkeypatch.setattr("qdash.stats.bootstrap.BLOCK_BYTES", 8 * 40 * 7)
    assert np.allclose(whole, ratio_interval(num, den, seed=1), rtol=1e-12, atol=0)


def test_few_samples_nan_and_constants():
    assert np.isnan(ratio_interval(np.ones((9, 2)), np.ones(9), seed=0)).all()
    assert np.array_equal(ratio_interval(np.full((10, 1), 0.25), np.ones(10), seed=0), [[0.25], [0.25]])
    assert np.array_equal(ratio_interval(np.zeros((10, 1)), np.ones(10), seed=0), [[0.0], [0.0]])
    broken = np.random.default_rng(0).gamma(1, size=(30, 3))
    broken[4, 1] = np.nan
    broken[5, 2] = np.inf
    low, high = ratio_interval(broken, np.ones(30), seed=0)
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan([low[1:], high[1:]]).all()
    assert np.isnan(ratio_interval(np.ones((10, 1)), np.zeros(10), seed=0)).all()


def test_one_sample_far_out_gives_a_finite_interval():
    num = np.zeros((200, 1))
    num[0] = 1
    low, high = ratio_interval(num, np.ones(200), seed=0)
    assert low[0] == 0
    assert 1 / 200 <= high[0] <= 0.05


def test_sqnr_bounds_are_the_ratio_bounds_in_db():
    rng = np.random.default_rng(0)
    noise, signal = rng.gamma(2, 0.01, size=(60, 3)), rng.gamma(2, size=60)
    low, high = ratio_interval(noise, signal, seed=3)
    low_db, high_db = sqnr_interval_db(noise, signal, seed=3)
    assert 10 ** (-low_db / 10) == pytest.approx(high)
    assert 10 ** (-high_db / 10) == pytest.approx(low)
    assert np.isposinf(sqnr_interval_db(np.zeros((20, 1)), np.ones(20), seed=0)).all()


def test_coverage_of_a_skewed_ratio():
    rng, truth = np.random.default_rng(0), 0.02
    signal = rng.gamma(4, size=(100, 400))
    noise = truth * signal * rng.gamma(2, 0.5, size=signal.shape)
    low, high = ratio_interval(noise, signal, seed=1)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.92
