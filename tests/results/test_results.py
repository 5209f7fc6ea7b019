"""From sums to results: exact decibels, aligned samples, the right order, the smallest set."""

import math

import numpy as np
import pytest
from chart_helpers import METRIC, kl_rows, point, row

from qdash.records.facts import LayerFacts, RunFacts, WeightFacts
from qdash.records.scores import Score
from qdash.results.decibel import sqnr_db
from qdash.results.frontier import Limits, choose
from qdash.results.outcome import outcomes
from qdash.results.plain import number, plain
from qdash.results.ranking import ranked
from qdash.results.size import fp32_mb, size_mb
from qdash.results.tally import Tallies
from qdash.spec.setting import Setting


def score(kind, subject, batch, outcome, noise=None, kl=None):
    samples = {"outcome": np.asarray(outcome, np.float32)}
    if noise is None:
        samples["signal"] = np.full(len(outcome), 4.0, np.float32)
    else:
        samples["noise"] = np.asarray(noise, np.float32)
        samples["kl"] = np.asarray(kl, np.float32)
        samples["flipped"] = np.zeros(len(outcome), np.float32)
    sums = {name: float(values.astype(np.float64).sum()) for name, values in samples.items()}
    return Score(kind, subject, "" if kind == "baseline" else "s", batch, sums | {"samples": len(outcome)}, samples)


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [
        (1.0, 1.0, 0.0),
        (1e300, 1e-300, 6000.0),
        (0.0, 0.0, math.inf),
        (0.0, 1.0, -math.inf),
        (1.0, 0.0, math.inf),
        (None, 1.0, None),
        (math.nan, 1.0, None),
        (1.0, math.inf, -math.inf),
    ],
)
def test_decibels(signal, noise, expected):
    assert sqnr_db(signal, noise) == expected


def test_a_layer_is_compared_with_fp32_on_its_own_samples_only():
    """The layer has batch 1 only; in batch 0 FP32 is right everywhere, in batch 1 half the time."""
    scores = [
        score("baseline", "", 0, [1.0] * 20),
        score("baseline", "", 1, [1.0, 0.0] * 10),
        score("layer", "a", 1, [0.0] * 20, noise=[0.4] * 20, kl=[0.25] * 20),
    ]
    tallies = Tallies(scores)
    (found,) = outcomes(tallies, [tallies.get("layer", "a", "s")], METRIC, seed=0)
    output = found.output
    assert found.value == 0.0
    assert output.metric_delta == -50.0
    assert output.metric_delta_low < -50.0 < output.metric_delta_high
    assert output.model_output_sqnr_db == pytest.approx(10.0, abs=1e-6)
    assert output.model_output_kl == output.model_output_kl_low == output.model_output_kl_high == 0.25


def test_halves_split_the_samples_of_every_score_alike():
    outcome = np.arange(30) % 2
    tallies = Tallies(
        [
            score("baseline", "", 0, [1.0] * 20),
            score("baseline", "", 1, [1.0] * 10),
            score("measurement", "a", 0, outcome[:20], noise=[1.0] * 20, kl=[0.1] * 20),
            score("measurement", "a", 1, outcome[20:], noise=[3.0] * 10, kl=[0.1] * 10),
        ]
    )
    first, second = tallies.half(second=False), tallies.half(second=True)
    joined = np.concatenate([t.get("measurement", "a", "s").values("outcome") for t in (first, second)])
    assert np.array_equal(joined, outcome)
    assert first.get("measurement", "a", "s").sums["noise"] == 15.0
    assert second.get("measurement", "a", "s").sums["noise"] == 5.0 + 30.0
    assert second.get("baseline").sums["samples"] == 15


def test_non_finite_layers_rank_first_never_as_safe():
    rows = [
        row("good", 0, model_output_kl=1e-6),
        row("broken", 1, status="non_finite"),
        row("bad", 2, model_output_kl=0.5),
        row("later", 3, status="pending"),
    ]
    assert [r.layer for r in ranked(rows)] == ["broken", "bad", "good", "later"]


def test_leave_one_out_ranks_the_smallest_remaining_error_first():
    rows = kl_rows([0.9, 0.1], method="leave_one_out")
    assert [r.layer for r in ranked(rows)] == ["l1", "l0"]


LAYERS = [
    LayerFacts(name, weights={"weight": WeightFacts(shape)}) for name, shape in (("a", (10, 50)), ("b", (50, 10)))
]
FACTS = RunFacts(params=1100, layers=tuple(LAYERS))


def test_sizes_count_scales_and_what_stays_fp32():
    setting = Setting(weight_format="int4")
    assert fp32_mb(FACTS) == 1100 * 4 / 1e6
    both = (1000 * 4 + 100 * 32 + (10 + 50) * 32) / 8e6
    assert size_mb(FACTS, setting) == pytest.approx(both)
    assert size_mb(FACTS, setting, ["a", "b"]) == fp32_mb(FACTS)
    assert size_mb(FACTS, Setting(weight_format="int8", weight_granularity="per_tensor"), ["b"]) == pytest.approx(
        (500 * 8 + 32 + 600 * 32) / 8e6
    )
    assert size_mb(FACTS, Setting(weight_format="identity")) == fp32_mb(FACTS)


def test_sizes_of_groups_and_of_formats_with_blocks_of_their_own():
    groups = Setting(weight_format="int4", weight_granularity="per_group:size=32")
    assert size_mb(FACTS, groups, ["b"]) == pytest.approx((500 * 4 + 10 * 2 * 32 + 600 * 32) / 8e6)
    blocks = Setting(weight_format="mxfp4")  # 10 rows of 32 + 18
    assert size_mb(FACTS, blocks, ["b"]) == pytest.approx((500 * 4 + 10 * 2 * 8 + 600 * 32) / 8e6)
    assert size_mb(FACTS, Setting(weight_format="bf16")) == pytest.approx((1000 * 16 + 100 * 32) / 8e6)


CURVE = ((-5.0, -7.0, 0.5), (-0.8, -2.8, 0.6), (-0.1, -0.9, 0.7), (0.0, -0.3, 0.9))
POINTS = [point(k, delta, low, delta + 1, size_mb=size) for k, (delta, low, size) in enumerate(CURVE)]


def test_the_smallest_set_whose_estimate_is_within_the_tolerance():
    assert choose(POINTS, Limits(1.0)).point.k == 1
    assert choose(POINTS, Limits(0.2)).point.k == 2
    assert choose(POINTS, Limits(10.0)).point.k == 0


def test_a_verdict_says_whether_the_interval_shows_it_and_how_many_samples_would():
    assert choose(POINTS, Limits(10.0)).verdict == "shown"
    found = choose(POINTS, Limits(1.0))
    assert found.verdict == "not yet shown"
    assert found.samples_needed == pytest.approx(400 * (2.0 / 0.2) ** 2, abs=1)


def test_limits_that_nothing_meets_give_the_best_that_is_allowed():
    found = choose(POINTS, Limits(0.05, max_fp32=2))
    assert (found.verdict, found.point.k) == ("not met", 2)
    assert choose(POINTS, Limits(1.0, max_size_mb=0.55)).point.k == 0
    assert choose([], Limits(1.0)).point is None


def test_lower_is_better_turns_the_comparison_round():
    points = [point(0, 0.5, 0.2, 1.5), point(1, 0.05, -0.1, 1.05)]
    assert choose(points, Limits(0.1), higher_is_better=False).point.k == 1


def test_plain_json_and_back():
    tree = {"x": [np.float32(1.5), math.inf, -math.inf, math.nan], "n": np.int64(3), "s": "text"}
    assert plain(tree) == {"x": [1.5, "Infinity", "-Infinity", None], "n": 3, "s": "text"}
    assert number("Infinity") == math.inf
    assert number(None) is None
