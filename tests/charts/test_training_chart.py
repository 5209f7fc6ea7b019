"""The pictures of a fine-tune say what its numbers say."""

import numpy as np
import pytest
from chart_helpers import METRIC, TRAINING, measured_model, tuned_result

from qdash.charts.training import (
    curve_figure,
    curve_frame,
    curve_title,
    models_figure,
    models_frame,
    models_title,
)
from qdash.results.qat import CurveStep

RESULT = tuned_result(
    98.0,
    measured_model(93.0, -5.0, -7.3, -3.6, 10.1),
    measured_model(97.5, -0.5, -1.9, 0.8, 12.6),
    4.5,
    3.0,
    6.8,
)


def falling(steps):
    return [CurveStep(step, 1 / (1 + step)) for step in range(steps)]


def test_the_line_is_the_running_mean():
    frame = curve_frame(falling(100))
    assert list(frame.columns) == ["step", "loss", "smooth"]
    assert frame["smooth"].iloc[50] == pytest.approx(np.mean([1 / (1 + step) for step in range(46, 51)]))


@pytest.mark.parametrize(
    ("steps", "words"),
    [(200, "In 200 steps the loss fell from 0.18 to"), (34, "In 34 of 200 steps the loss fell"), (0, "not begun yet")],
)
def test_the_title_says_how_far_and_what_happened(steps, words):
    assert words in curve_title(curve_frame(falling(steps)), TRAINING)


def test_a_rising_loss_is_not_called_falling():
    rising = [CurveStep(step, float(step)) for step in range(20)]
    assert "rose from" in curve_title(curve_frame(rising), TRAINING)


def test_the_curve_has_every_step_and_room_for_those_to_come():
    figure = curve_figure(curve_frame(falling(50)), TRAINING)
    assert list(figure.data[0].x) == list(range(50))
    assert figure.layout.xaxis.range[1] >= 200
    assert "distillation" in figure.layout.yaxis.title.text


def test_models_have_their_paired_intervals():
    frame = models_frame(RESULT, METRIC)
    assert list(frame.index) == ["fp32", "ptq", "qat"]
    assert frame.loc["ptq", "low"] == pytest.approx(90.7)
    assert frame.loc["qat", "high"] == pytest.approx(98.8)
    assert "97.5 %" in frame.loc["qat", "hover"]
    assert np.isnan(frame.loc["fp32", "low"])
    figure = models_figure(frame, RESULT, METRIC)
    assert [trace.x[0] for trace in figure.data] == [98.0, 93.0, 97.5]
    assert figure.data[2].error_x.arrayminus[0] == pytest.approx(1.4)
    assert len({trace.marker.symbol for trace in figure.data}) == 3  # colour is not the only sign
    assert models_title(RESULT, METRIC) == (
        "Fine-tuning changes accuracy by +4.50 points (95 % interval +3.00 to +6.80 points)"
    )


def test_before_anything_is_measured_it_says_so():
    before = tuned_result(None, measured_model(), measured_model())
    frame = models_frame(before, METRIC)
    assert frame.empty
    assert "Not measured yet" in models_figure(frame, before, METRIC).layout.title.text
