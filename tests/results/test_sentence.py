"""The verdict in words: every case says its numbers, and none says more than was measured."""

import math

import pytest

from qdash.results.frontier import Limits, choose
from qdash.results.sentence import certainty_sentence, verdict_sentence

ACCURACY = {"name": "accuracy", "unit": "%", "difference_unit": "points", "higher_is_better": True}
ERROR = {"name": "mean_squared_error", "unit": "", "difference_unit": "", "higher_is_better": False}


def point(k, value, delta, low, high, size_mb=0.29):
    names = [f"conv{n}" for n in range(k)]
    shown = {"k": k, "layers": names, "value": value, "delta": delta, "low": low, "high": high}
    return shown | {"size_mb": size_mb, "samples": 597, "status": "ok"}


def recommended(points, metric=ACCURACY, limit=1.0):
    found = choose(points, Limits(limit), metric["higher_is_better"])
    chosen = found["point"]
    kept = chosen["layers"] if chosen else []
    return {"chosen": chosen, "keep_fp32": kept, "frontier": points, "max_drop_points": limit} | {
        key: found[key] for key in ("verdict", "samples_needed")
    }


def result(rows=(), value=98.0):
    return {
        "baseline": {"value": value, "size_mb": 1.0, "samples": 597},
        "ranked_by": "model_output_kl",
        "layers": list(rows),
    }


def row(layer, kl, status="ok", samples=384):
    return {"layer": layer, "model_output_kl": kl, "status": status, "samples": samples}


def test_a_shown_set_names_metric_size_and_samples():
    found = recommended([point(0, 90.0, -8.0, -10.0, -6.0), point(2, 97.8, -0.2, -0.9, 0.5)])
    assert verdict_sentence(result(), ACCURACY, 22, found) == (
        "Keep 2 of 22 layers in FP32: accuracy 97.8 % against 98.0 % in FP32, size 29 % of FP32, measured on 597 samples"  # noqa: E501
    )
    assert certainty_sentence(found, ACCURACY) == (
        "Shown: the 95 % interval of the change is −0.90 to +0.50 points, all of it within 1 point."
    )


def test_nothing_to_keep_is_said_plainly():
    found = recommended([point(0, 98.0, 0.0, -0.6, 0.6)])
    assert verdict_sentence(result(), ACCURACY, 22, found).startswith("No layer needs FP32: accuracy 98.0 %")


def test_not_yet_shown_tells_the_samples_and_the_smallest_set_that_is_shown():
    points = [point(1, 97.5, -0.5, -2.0, 1.0), point(4, 98.0, 0.0, -0.7, 0.7, size_mb=0.4)]
    found = recommended(points)
    # half width 1.5 to within 0.5: nine times the samples
    assert found["samples_needed"] == 9 * 597
    assert certainty_sentence(found, ACCURACY) == (
        "Not yet shown within 1 point: the 95 % interval of the change is −2.00 to +1.00 points. "
        "About 5,400 samples would show it; with 4 layers in FP32 it is shown already (0.400 MB)."
    )


def test_a_tolerance_that_no_set_meets():
    found = recommended([point(0, 80.0, -18.0, -20.0, -16.0), point(3, 90.0, -8.0, -9.0, -7.0)])
    assert verdict_sentence(result(), ACCURACY, 22, found).startswith(
        "No measured set stays within 1 point of FP32; the best allowed one has 3 layers in FP32: accuracy 90.0 %"
    )
    assert certainty_sentence(found, ACCURACY).startswith("Not met")


def test_too_few_samples_have_no_interval():
    found = recommended([point(0, 98.0, 0.0, math.nan, math.nan)])
    assert "Too few samples" in certainty_sentence(found, ACCURACY)


def test_a_metric_that_should_be_low():
    found = recommended([point(0, 0.25, 0.01, -0.002, 0.02)], ERROR, limit=0.05)
    sentence = verdict_sentence(result(value=0.24), ERROR, 3, found)
    assert "mean squared error 0.25 against 0.24 in FP32" in sentence
    assert certainty_sentence(found, ERROR).startswith("Shown")


@pytest.mark.parametrize(
    ("rows", "going_on", "expected"),
    [
        ([], True, "Still measuring: the first layers appear in a moment"),
        ([], False, "No layer has been measured"),
        (
            [row("blocks.0.dw", 0.1234)],
            True,
            "Still measuring: so far blocks.0.dw is the most sensitive layer, KL 0.123 nats on 384 samples",
        ),
        (
            [row("head", None, "pending", 0), row("stem", 0.5, samples=1)],
            False,
            "Which set is enough is not measured yet: stem is the most sensitive layer, KL 0.5 nats on 1 sample",
        ),
        (
            [row("stem", 0.5) | {"estimated": True}],
            False,
            "Which set is enough is not measured yet: stem is the most sensitive layer, KL 0.5 nats estimated from "
            "384 samples",
        ),
    ],
)
def test_without_a_measured_curve_nothing_is_promised(rows, going_on, expected):
    assert verdict_sentence(result(rows), ACCURACY, 22, None, going_on=going_on) == expected


def test_a_layer_that_breaks_the_model_is_named_as_such():
    broken = row("stem", None, "non_finite") | {"samples": 64}
    sentence = verdict_sentence(result([broken, row("head", 0.1)]), ACCURACY, 22, None, going_on=True)
    assert "stem" in sentence
    assert "NaN or Inf" in sentence
