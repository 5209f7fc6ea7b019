"""The measured curve: values with their intervals, the lines to judge by, and honest titles."""

import math

import pytest
from chart_helpers import METRIC, point, titles

from qdash.charts.frontier import frontier_figure, frontier_frame
from qdash.results.frontier import Limits, choose

RANKING = ["a", "b", "c"]


def measured(layers, delta, low, high, size_mb, status="ok"):
    numbers = {"size_mb": size_mb, "samples": 200, "status": status}
    return point(len(layers), delta, low, high, layers=tuple(layers), **numbers)


CURVE = [
    measured([], -5.0, -7.0, -3.0, 1.0),
    measured(["a"], -0.8, -1.5, 0.2, 1.2),
    measured(["c"], -2.0, -3.0, -1.0, 1.1),
    measured(["a", "b"], -0.1, -0.6, 0.4, 1.5),
]


def drawn(curve, limits=None, **options):
    limits = limits or Limits(1.0)
    frame = frontier_frame(curve, RANKING, 90.0, METRIC)
    return frontier_figure(frame, METRIC, 90.0, limits.max_drop_points, choose(curve, limits), **options)


def test_the_interval_of_the_change_is_laid_around_fp32():
    frame = frontier_frame(CURVE, RANKING, 90.0, METRIC)
    assert frame["k"].tolist() == [0, 1, 1, 2]
    assert frame["value"].tolist() == pytest.approx([85.0, 88.0, 89.2, 89.9])
    assert frame["low"].tolist() == pytest.approx([83.0, 87.0, 88.5, 89.4])
    assert frame["high"].tolist() == pytest.approx([87.0, 89.0, 90.2, 90.4])
    assert frame["on_curve"].tolist() == [True, False, True, True]
    assert "95 % interval −1.50 to +0.20 points" in frame["hover"][2]


def test_a_set_that_is_not_finite_has_no_mark():
    frame = frontier_frame([measured([], math.nan, None, None, 1.0, "non_finite"), *CURVE[1:]], RANKING, 90.0, METRIC)
    assert len(frame) == 3


def test_lines_marks_and_units():
    figure = drawn(CURVE, pinned=["c"])
    assert titles(figure) == ["layers kept in FP32", "accuracy, %", "size, MB"]
    assert [shape.y0 for shape in figure.layout.shapes] == [90.0, 89.0]
    assert {note.text for note in figure.layout.annotations} == {"FP32", "tolerance 1"}
    marks = {trace.name: list(trace.x) for trace in figure.data if trace.name}
    assert marks["recommended"] == [1]
    assert marks["your set"] == [1]
    assert marks["other measured sets"] == [1]
    assert [data[0] for data in figure.data[0].customdata] == ["", "a", "a,b"]


def test_sizes_of_sets_with_the_same_k_do_not_stack_up():
    bars = drawn(CURVE).data[-1]
    assert bars.type == "bar"
    assert list(bars.x) == [0, 1, 2]
    assert list(bars.y) == [1.0, 1.2, 1.5]


def test_over_size_the_curve_is_sorted_by_megabytes():
    figure = drawn(CURVE, by_size=True)
    assert titles(figure) == ["size of all parameters, MB", "accuracy, %"]
    assert list(figure.data[0].x) == [1.0, 1.2, 1.5]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(1.0), "1 layer in FP32: −0.80 points, within 1 point of FP32, but the interval reaches beyond"),
        (Limits(0.7), "2 layers in FP32: −0.10 points, within 0.7 points of FP32, the whole interval too"),
        (Limits(0.05), "No measured set stays within 0.05 points; the best allowed one changes it by −0.10 points"),
        (Limits(9.0), "Every layer quantized: −5.00 points, within 9 points of FP32, the whole interval too"),
        (
            Limits(1.0, max_fp32=0),
            "No measured set stays within 1 point; the best allowed one changes it by −5.00 points",
        ),
    ],
)
def test_the_title_says_no_more_than_was_shown(limits, said):
    assert drawn(CURVE, limits).layout.title.text == said


def test_nothing_measured():
    figure = drawn([])
    assert figure.layout.title.text == "No set has been measured yet"
    assert not figure.data
