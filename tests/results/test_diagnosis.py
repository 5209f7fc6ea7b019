"""Sentences about a layer appear exactly where its numbers carry them."""

import math

import numpy as np
import pytest
from chart_helpers import SETTING, kl_rows, row, tensor

from qdash.calibration.summaries import LayerSummary
from qdash.results.added_up import AddedUp, added_up
from qdash.results.diagnosis import concentration, diagnosis
from qdash.spec.setting import Setting

PER_TENSOR = Setting(observer="mse", weight_format="int4", weight_granularity="per_tensor")
EVEN = tensor(np.random.default_rng(0).uniform(-1, 1, (400, 8)))


def noisy(weights_db=20.0, inputs_db=40.0, **values):
    noise = {"weights_only_layer_output_sqnr_db": weights_db, "inputs_only_layer_output_sqnr_db": inputs_db}
    return row("a", **{"layer_output_sqnr_db": 19.9, "model_output_sqnr_db": 19.0} | noise | values)


def said(found, summary=None, setting=SETTING, others=()):
    return " ".join(diagnosis(found, others, summary, setting))


def test_weights_or_inputs():
    assert said(noisy()).startswith("Its weights make 99")
    assert said(noisy(40.0, 20.0)).startswith("Its inputs make 99")


def test_amplified_absorbed_or_neither():
    assert "amplify" in said(noisy(model_output_sqnr_db=12.0))
    assert "absorb" in said(noisy(model_output_sqnr_db=30.0))
    assert "layers after it" not in said(noisy())


def test_a_wide_weight_channel_is_a_cause_only_with_one_scale():
    values = np.random.default_rng(0).uniform(-1, 1, (400, 8))
    values[:, 3] *= 20
    summary = LayerSummary({"input": EVEN}, {"weight": tensor(values)})
    assert "1 of 8 weight channels reaches 4 times" in said(noisy(), summary, PER_TENSOR)
    assert "one scale per channel would leave the others more levels" in said(noisy(), summary, PER_TENSOR)
    assert "each has a scale of its own already" in said(noisy(), summary, SETTING)
    assert "weight channel" not in said(noisy(60.0, 20.0), summary, PER_TENSOR)  # the weights do nothing here


def test_outliers_of_the_input():
    values = np.random.default_rng(0).uniform(-1, 1, (4000, 8))
    values[0, 0] = 50
    summary = LayerSummary({"input": tensor(values)}, {"weight": EVEN})
    assert "times the 99.9 % quantile (from histogram)" in said(noisy(40.0, 20.0), summary)
    assert "quantile" not in said(noisy(40.0, 20.0), LayerSummary({"input": EVEN}, {"weight": EVEN}))


def test_dead_channels_are_counted():
    values = np.random.default_rng(0).uniform(-1, 1, (400, 8))
    values[:, :2] = 0
    assert "2 input channels held only zeros." in said(
        noisy(), LayerSummary({"input": tensor(values)}, {"weight": EVEN})
    )


def test_a_better_setting_is_quoted_only_if_this_run_measured_it():
    better = noisy(model_output_sqnr_db=40.0, setting=Setting(weight_format="int8"))
    assert "weights int8, inputs int8 this run measured 40.0 dB at the model's output instead of 19.0 dB" in said(
        noisy(), others=[better]
    )
    assert "this run measured" not in said(noisy(), others=[noisy(model_output_sqnr_db=24.0)])


def test_broken_and_pending_rows():
    assert said(row("a", status="non_finite")) == "Quantized, it makes NaN or Inf in the model's output."
    assert said(row("a", status="pending")) == "It is not measured yet."


def test_the_fewest_layers_with_most_of_the_damage():
    assert concentration(kl_rows([0.1, 0.7, 0.15, 0.05])) == (["l1", "l2"], 4)
    assert concentration(kl_rows([0.25] * 4)) == (["l0", "l1", "l2", "l3"], 4)
    assert concentration([]) is None
    assert concentration(kl_rows([0.0])) is None
    assert concentration([row("a", status="pending")]) is None
    assert concentration(kl_rows([0.1], method="leave_one_out")) is None


def test_single_layers_are_added_up_over_what_is_quantized():
    rows = kl_rows([0.1, 0.2], model_output_sqnr_db=20.0)
    found = added_up(rows, [])
    assert found.kl == pytest.approx(0.3)
    assert found.sqnr_db == pytest.approx(20 - 10 * math.log10(2))
    assert added_up(rows, ["l0", "l1"]) == AddedUp(math.inf, 0.0)
    assert added_up([*rows, row("c", 2, status="pending")], []) == AddedUp(None, None)
