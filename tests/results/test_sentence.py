"""The verdict in words: every case says its numbers, and none says more than was measured."""

import math

import pytest
from chart_helpers import METRIC, SETTING, point, row

from qdash.records.facts import MetricFacts
from qdash.results.frontier import Limits, Recommendation, choose
from qdash.results.models import AllQuantized, Baseline
from qdash.results.rows import KeyedSetting
from qdash.results.sentence import certainty_sentence, verdict_sentence
from qdash.results.sweep import SettingResult

ACCURACY = METRIC
ERROR = MetricFacts("mean_squared_error", higher_is_better=False)


def measured(k, value, delta, low, high, size_mb=0.29):
    return point(k, delta, low, high, value=value, size_mb=size_mb, samples=597)


def recommended(points, metric=ACCURACY, limit=1.0):
    found = choose(points, Limits(limit), metric.higher_is_better)
    kept = found.point.layers if found.point else ()
    settled = found.verdict, found.samples_needed, found.point
    return Recommendation("run", KeyedSetting.of(SETTING), kept, limit, *settled, points)


def result(rows=(), value=98.0):
    baseline, whole = Baseline("accuracy", "%", value, 597, 1.0), AllQuantized(KeyedSetting.of(SETTING), *[None] * 10)
    return SettingResult(baseline, whole, "model_output_kl", list(rows))


def kl_row(layer, kl, status="ok", samples=384, **values):
    return row(layer, model_output_kl=kl, status=status, samples=samples, **values)


def test_a_shown_set_names_metric_size_and_samples():
    found = recommended([measured(0, 90.0, -8.0, -10.0, -6.0), measured(2, 97.8, -0.2, -0.9, 0.5)])
    assert verdict_sentence(result(), ACCURACY, 22, found) == (
        "Keep 2 of 22 layers in FP32: accuracy 97.8 % against 98.0 % in FP32, size 29 % of FP32, measured on 597 samples"  # noqa: E501
    )
    assert certainty_sentence(found, ACCURACY) == (
        "Shown: the 95 % interval of the change is −0.90 to +0.50 points, all of it within 1 point."
    )


def test_nothing_to_keep_is_said_plainly():
    found = recommended([measured(0, 98.0, 0.0, -0.6, 0.6)])
    assert verdict_sentence(result(), ACCURACY, 22, found).startswith("No layer needs FP32: accuracy 98.0 %")


def test_not_yet_shown_tells_the_samples_and_the_smallest_set_that_is_shown():
    points = [measured(1, 97.5, -0.5, -2.0, 1.0), measured(4, 98.0, 0.0, -0.7, 0.7, size_mb=0.4)]
    found = recommended(points)
    # half width 1.5 to within 0.5: nine times the samples
    assert found.samples_needed == 9 * 597
    assert certainty_sentence(found, ACCURACY) == (
        "Not yet shown within 1 point: the 95 % interval of the change is −2.00 to +1.00 points. "
        "About 5,400 samples would show it; with 4 layers in FP32 it is shown already (0.400 MB)."
    )


def test_a_tolerance_that_no_set_meets():
    found = recommended([measured(0, 80.0, -18.0, -20.0, -16.0), measured(3, 90.0, -8.0, -9.0, -7.0)])
    assert verdict_sentence(result(), ACCURACY, 22, found).startswith(
        "No measured set stays within 1 point of FP32; the best allowed one has 3 layers in FP32: accuracy 90.0 %"
    )
    assert certainty_sentence(found, ACCURACY).startswith("Not met")


def test_too_few_samples_have_no_interval():
    found = recommended([measured(0, 98.0, 0.0, math.nan, math.nan)])
    assert "Too few samples" in certainty_sentence(found, ACCURACY)


def test_a_metric_that_should_be_low():
    found = recommended([measured(0, 0.25, 0.01, -0.002, 0.02)], ERROR, limit=0.05)
    sentence = verdict_sentence(result(value=0.24), ERROR, 3, found)
    assert "mean squared error 0.25 against 0.24 in FP32" in sentence
    assert certainty_sentence(found, ERROR).startswith("Shown")


@pytest.mark.parametrize(
    ("rows", "going_on", "expected"),
    [
        ([], True, "Still measuring: the first layers appear in a moment"),
        ([], False, "No layer has been measured"),
        (
            [kl_row("blocks.0.dw", 0.1234)],
            True,
            "Still measuring: so far blocks.0.dw is the most sensitive layer, KL 0.123 nats on 384 samples",
        ),
        (
            [kl_row("head", None, "pending", 0), kl_row("stem", 0.5, samples=1)],
            False,
            "Which set is enough is not measured yet: stem is the most sensitive layer, KL 0.5 nats on 1 sample",
        ),
        (
            [kl_row("stem", 0.5, estimated=True)],
            False,
            "Which set is enough is not measured yet: stem is the most sensitive layer, KL 0.5 nats estimated from "
            "384 samples",
        ),
    ],
)
def test_without_a_measured_curve_nothing_is_promised(rows, going_on, expected):
    assert verdict_sentence(result(rows), ACCURACY, 22, None, going_on=going_on) == expected


def test_a_layer_that_breaks_the_model_is_named_as_such():
    broken = kl_row("stem", None, "non_finite", 64)
    sentence = verdict_sentence(result([broken, kl_row("head", 0.1)]), ACCURACY, 22, None, going_on=True)
    assert "stem" in sentence
    assert "NaN or Inf" in sentence
