"""Estimated against measured: exact frames, the diagonal, intervals, clicks."""

import math
from dataclasses import replace

import pytest
from chart_helpers import clickable, row, titles

from qdash.charts.agreement import agreement_figure, agreement_frame, frame_agreement, kl_spearman


def pairs(layers=4):
    rows, measured = [], {}
    for i in range(layers):
        values = {"model_output_sqnr_db": 20.0 + i, "model_output_kl": 10.0**-i}
        rows.append(row(f"l{i}", i, estimated=True, **values))
        ends = {"model_output_sqnr_db_low": 19.0 + i, "model_output_sqnr_db_high": 22.0 + i}
        values = {"model_output_sqnr_db": 20.25 + i, "model_output_kl": 10.0**-i, "samples": 30}
        measured[f"l{i}"] = row(f"l{i}", i, **values, **ends)
    return rows, measured


def test_the_frame_has_the_layers_that_both_know():
    rows, measured = pairs()
    del measured["l1"]
    measured["other"] = row("other", model_output_sqnr_db=1.0)
    frame = agreement_frame(rows, measured, {"l0": "Conv2d depthwise"})
    assert frame["layer"].tolist() == ["l0", "l2", "l3"]
    assert frame["type"].tolist() == ["Conv2d depthwise", "Linear", "Linear"]
    assert frame["estimated_db"].tolist() == [20.0, 22.0, 23.0]
    assert frame["measured_db"].tolist() == [20.25, 22.25, 23.25]
    assert frame["measured_low"].tolist() == [19.0, 21.0, 22.0]
    assert math.isnan(frame["estimated_low"][0])
    assert frame["samples"].tolist() == [30] * 3
    assert "measured on 30 samples:<br>SQNR 20.2 dB (95 %: 19.0 to 22.0 dB), KL 1 nats" in frame["hover"][0]
    assert "estimated from 64 samples:<br>SQNR 20.0 dB, KL 1 nats" in frame["hover"][0]
    found = frame_agreement(frame)
    assert (found.layers, found.spearman, found.median_difference_db) == (3, pytest.approx(1.0), 0.25)
    assert kl_spearman(frame) == pytest.approx(1.0)


def test_the_figure_has_a_diagonal_and_alike_axes():
    figure = agreement_figure(agreement_frame(*pairs()), selected="l2")
    assert "agree: Spearman 1.000 over 4 layers, median difference 0.2 dB" in figure.layout.title.text
    assert titles(figure) == ["measured model-output SQNR, dB", "estimated model-output SQNR, dB"]
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    diagonal, points = figure.data
    assert list(diagonal.x) == list(diagonal.y)
    assert list(points.error_x.array) == [1.75] * 4
    assert list(points.error_x.arrayminus) == [1.25] * 4
    assert clickable(figure) == {"l0", "l1", "l2", "l3"}
    assert [note.text for note in figure.layout.annotations] == ["<b>▸ l2</b>"]


def test_before_anything_is_measured_it_says_so():
    rows, _ = pairs()
    figure = agreement_figure(agreement_frame(rows, {}))
    assert figure.layout.title.text == "Nothing is measured yet: the ranking is an estimate"
    assert not figure.data
    assert kl_spearman(agreement_frame(rows, {})) is None


def test_an_estimate_has_the_interval_of_its_random_signs():
    rows, measured = pairs(1)
    rows[0] = replace(
        rows[0], model_output_sqnr_db_se=0.1, model_output_sqnr_db_low=1.0, model_output_sqnr_db_high=99.0
    )
    frame = agreement_frame(rows, measured)
    assert frame["estimated_low"].tolist() == pytest.approx([20 - 0.196])
    assert frame["estimated_high"].tolist() == pytest.approx([20 + 0.196])
