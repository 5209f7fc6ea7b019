"""Repeated looks: the stated error rate holds, and decisions come early."""

import numpy as np
import pytest
from scipy.stats import norm

from qdash.stats.sequential import Looks
from qdash.stats.tango import tango_interval


def test_critical_values_agree_with_pocock_s_table():
    """Pocock 1977, α = 0.05, equally spaced looks: 2.178 for two, 2.413 for five."""

    class Equal(Looks):
        @property
        def counts(self):
            return tuple(range(self.round_size, self.total + 1, self.round_size))

    assert Equal(200, 100, 0.01).critical_value == pytest.approx(2.178, abs=0.02)
    assert Equal(500, 100, 0.01).critical_value == pytest.approx(2.413, abs=0.02)
    assert Equal(100, 100, 0.01).critical_value == pytest.approx(norm.ppf(0.975))


@pytest.mark.parametrize(
    ("total", "size", "tolerance"), [(2000, 128, 0.02), (2000, 128, 0.01), (100, 128, 0.01), (5000, 1, 0.005)]
)
def test_looks_grow_in_whole_rounds_up_to_all_samples(total, size, tolerance):
    counts = Looks(total, size, tolerance).counts
    assert counts[-1] == total
    assert list(counts) == sorted(set(counts))
    assert all(count % size == 0 for count in counts[:-1])
    assert len(counts) <= 20


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.02, 0.03])
@pytest.mark.parametrize("flips", [0.01, 0.04])
def test_wrong_decisions_are_rarer_than_stated_and_intervals_hold_at_every_look(loss, flips):
    """The tolerance is 0.02; at a true loss of exactly that either decision is wrong."""
    looks = Looks(2000, 100, 0.02)
    rng = np.random.default_rng(7)
    repeats, gain = 1000, max(flips - loss, 0.0) / 2
    chance = rng.random((repeats, 2000))
    change = np.where(chance < gain, 1, np.where(chance < gain + gain + loss, -1, 0))
    wrong, missed = np.zeros(repeats, bool), np.zeros(repeats, bool)
    open_ = np.ones(repeats, bool)
    for n in looks.counts:
        gained, lost = (change[:, :n] == 1).sum(1), (change[:, :n] == -1).sum(1)
        low, high = tango_interval(gained, lost, np.full(repeats, n), looks.confidence)
        missed |= (low > -loss) | (high < -loss)
        safe, sensitive = open_ & (low > -0.02), open_ & (high < -0.02)
        wrong |= (safe & (loss >= 0.02)) | (sensitive & (loss <= 0.02))
        open_ &= ~(safe | sensitive)
    assert wrong.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    assert missed.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_a_layer_without_flips_is_decided_at_the_first_look():
    for tolerance in (0.02, 0.01, 0.005):
        looks = Looks(2000, 64, tolerance)
        assert looks.counts[0] < 2000
        assert looks.decision(0, 0, looks.counts[0]) == "safe"


def test_a_broken_layer_is_sensitive_and_a_close_one_undecided_with_the_samples_it_needs():
    looks = Looks(2000, 100, 0.01)
    assert looks.decision(0, 200, 1000) == "sensitive"
    assert looks.decision(10, 18, 1000) is None
    needed = looks.samples_needed(10, 18, 1000)
    assert needed > 2000
    assert looks.decision(10 * needed // 1000, 18 * needed // 1000, needed * 11 // 10) is not None
    assert looks.samples_needed(10, 20, 1000) is None
