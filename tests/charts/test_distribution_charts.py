"""Histogram, clipping ranges and channels against NumPy on the values themselves."""

import math

import numpy as np
import pytest
from chart_helpers import tensor, titles

from qdash.charts.channels import channels_figure, channels_frame
from qdash.charts.clipping import clipping_frame, outside
from qdash.charts.histogram import histogram_figure, histogram_frame
from qdash.quant.affine import affine_parameters, fake_quantize
from qdash.registry import family

NORMAL = np.random.default_rng(0).normal(0.2, 1.0, (5000, 4)).astype(np.float32)


def test_shares_add_up_to_one_and_agree_with_numpy():
    frame = histogram_frame(tensor(NORMAL))
    assert frame["share"].sum() == pytest.approx(1.0)
    assert frame["left"].iloc[0] == NORMAL.min()
    assert frame["right"].iloc[-1] == NORMAL.max()
    edges = [*frame["left"], frame["right"].iloc[-1]]
    exact = np.histogram(NORMAL, edges)[0] / NORMAL.size
    assert np.abs(frame["share"] - exact).sum() < 0.05  # bins of the calibration are up to 1/128 of a value wide


def test_zeros_of_a_relu_stay_in_one_bin():
    frame = histogram_frame(tensor(np.maximum(NORMAL, 0)))
    zeros = float((NORMAL <= 0).mean())
    assert frame["share"].iloc[0] >= zeros
    assert frame["share"].sum() == pytest.approx(1.0)


def test_far_outliers_stretch_the_axis():
    values = NORMAL.copy()
    values[0, 0] = 1000.0
    frame = histogram_frame(tensor(values))
    assert frame.attrs["unit"] > 0
    assert (frame["share"] > 0).sum() > 10  # not all in one bar
    assert frame["share"].sum() == pytest.approx(1.0)
    figure = histogram_figure(frame, clipping_frame(tensor(values), "int8", "affine", "mse"), "inputs")
    assert "value of the inputs (axis stretched around 0)" in titles(figure)
    assert "1000" in figure.layout.xaxis.ticktext


@pytest.mark.parametrize("values", [np.zeros((4, 2)), np.full((4, 2), 3.0), np.zeros((1, 1))])
def test_a_constant_tensor_has_a_picture(values):
    frame = histogram_frame(tensor(values))
    assert frame["share"].sum() == pytest.approx(1.0)
    ranges = clipping_frame(tensor(values), "int8", "affine", "mse")
    figure = histogram_figure(frame, ranges, "inputs")
    assert figure.layout.title.text
    assert ranges["clipped_share"].max() == 0


def test_every_observer_has_a_range_and_the_runs_own_is_marked():
    ranges = clipping_frame(tensor(NORMAL), "int8", "affine", "percentile:percentile=99.9")
    assert ranges["observer"].tolist() == [*family("observers").names(), "percentile:percentile=99.9"]
    assert ranges[ranges["own"]]["observer"].tolist() == ["percentile:percentile=99.9"]
    exact = ranges.set_index("observer")["from_histogram"]
    assert not exact["min_max"]
    assert exact["mse"]
    figure = histogram_figure(histogram_frame(tensor(NORMAL)), ranges, "inputs")
    lanes = [label for trace in figure.data[1:] for label in trace.y]
    assert "<b>percentile:percentile=99.9 (this run)</b>" in lanes
    assert len(lanes) == len(ranges)
    assert titles(figure) == ["value of the inputs", "share of values, %", "range kept"]


def test_step_zero_point_and_sqnr_agree_with_the_quantized_values():
    ranges = clipping_frame(tensor(NORMAL), "int6", "affine", "min_max").set_index("observer")
    low, high = np.float64(NORMAL.min()), np.float64(NORMAL.max())
    scale, zero_point = affine_parameters(low, high, -32, 31)
    found = ranges.loc["min_max"]
    assert (found["low"], found["high"]) == (low, high)
    assert found["step"] == pytest.approx(float(scale))
    assert found["zero_point"] == int(zero_point)
    rounded = fake_quantize(NORMAL, scale, zero_point, -32, 31).astype(np.float64)
    exact = 10 * math.log10((NORMAL.astype(np.float64) ** 2).sum() / ((NORMAL - rounded) ** 2).sum())
    assert found["sqnr_db"] == pytest.approx(exact, abs=0.1)
    assert found["clipped_share"] == 0


def test_the_clipped_share_counts_values_beyond_half_a_step():
    summary = tensor(NORMAL)
    found = clipping_frame(summary, "int4", "symmetric", "mse").set_index("observer").loc["mse"]
    beyond = np.abs(NORMAL) > found["high"] + found["step"] / 2
    assert found["clipped_share"] == pytest.approx(beyond.mean(), abs=0.003)
    assert found["clipped_share"] > 0
    assert outside(summary.statistics().cells, 10.0, 11.0) == pytest.approx(1.0)


@pytest.mark.parametrize("format", ["int4", "uint4", "fp8_e4m3fn"])
def test_the_saturated_share_counts_values_on_the_outermost_levels(format):
    values = np.concatenate([np.maximum(NORMAL, 0), np.full((50, 4), 9.0, np.float32)])
    found = clipping_frame(tensor(values), format, "affine", "min_max").set_index("observer").loc["percentile"]
    grid = family("formats").create(format)
    levels = grid.fake_quantize(values, np.float32(found["step"]), np.int32(found["zero_point"]), "affine")
    top = levels == levels.max()
    assert found["saturated_share"] == pytest.approx(top.mean(), abs=0.002)
    assert 0.005 < found["saturated_share"] < 0.1  # the many zeros sit on the lowest level, and lose nothing


def test_a_lossless_format_has_no_ranges_and_still_a_histogram():
    ranges = clipping_frame(tensor(NORMAL), "identity", "affine", "mse")
    assert ranges.empty
    figure = histogram_figure(histogram_frame(tensor(NORMAL)), ranges, "weights")
    assert figure.layout.title.text == "How the weights are spread"


def test_a_grid_without_negative_numbers_leaves_observers_out():
    assert clipping_frame(tensor(NORMAL), "uint8", "symmetric", "min_max").empty


def test_channels_wide_and_dead():
    values = np.ones((3, 6), np.float32)
    values[:, 1] = 0
    values[0, 2], values[1, 2] = -10, 30
    frame = channels_frame(tensor(values))
    assert frame["low"].tolist() == [1, 0, -10, 1, 1, 1]
    assert frame["width"].tolist() == [1, 0, 40, 1, 1, 1]
    assert frame["times_median"].tolist() == [1, 0, 40, 1, 1, 1]
    assert frame["dead"].tolist() == [False, True, False, False, False, False]
    figure = channels_figure(frame, "weights")
    assert figure.layout.title.text == (
        "1 of 6 channels of the weights is at least 4 times as wide as the median, the widest 40 times; "
        "1 channel only zeros"
    )
    assert titles(figure) == ["output channel", "weights, minimum to maximum"]
    assert list(figure.data[1].x) == [1]


@pytest.mark.parametrize("channels", [1, 3000])
def test_one_channel_and_thousands(channels):
    frame = channels_frame(tensor(np.random.default_rng(1).normal(size=(9, channels))))
    figure = channels_figure(frame, "inputs")
    assert figure.layout.title.text
    assert len(figure.data) == (0 if channels == 1 else 2)


def test_only_dead_channels():
    figure = channels_figure(channels_frame(tensor(np.zeros((2, 3)))), "inputs")
    assert figure.layout.title.text == "All 3 channels of the inputs hold only zeros"
