"""What a layer is: what its product really receives, what it multiplies besides, and the parts of a stacked one."""

from pathlib import Path

import layer_models
import pytest
import torch
import torch.nn.functional as F
from engine_helpers import sweep

FILE = Path(layer_models.__file__)
SAMPLES = {"images": "image_calibration", "rows": "row_calibration", "sequences": "sequence_calibration"}


def run(folder, model, data="rows", **values):
    given = {"observers": ("min_max",), "metric": "agreement", **values}
    text = f"python:{FILE}:"
    return sweep(folder, model=text + model, data=text + data, calibration_data=text + SAMPLES[data], **given)


def by_name(result):
    return {row["layer"]: row for row in result["layers"]}


def quantized_weight(weight):
    """Symmetric int8, one scale for each output, by hand."""
    scale = weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (weight.dim() - 1)) / 127
    return torch.clamp(torch.round(weight / scale), -127, 127) * scale


def quantized_input(x, calibration):
    """Affine int8 with the range of the calibration samples, by hand."""
    low, high = min(float(calibration.min()), 0.0), max(float(calibration.max()), 0.0)
    scale = (high - low) / 255
    return torch.fake_quantize_per_tensor_affine(x, scale, min(max(round(-128 - low / scale), -128), 127), -128, 127)


def decibels(expected, found):
    return float(10 * torch.log10(expected.double().square().sum() / (expected - found).double().square().sum()))


def test_a_standardised_weight_is_quantized_as_the_convolution_receives_it(tmp_path):
    """48.1, 39.6 and 51.1 dB, by hand."""
    row = by_name(run(tmp_path, "standardised", "images"))["c"]
    model, x, calibration = layer_models.standardised().eval(), layer_models.images(), layer_models.image_calibration()
    with torch.no_grad():
        raw = model.c.weight
        w = (raw - raw.mean((1, 2, 3), keepdim=True)) / (raw.std((1, 2, 3), keepdim=True) + 1e-5)
        expected = F.conv2d(x, w, model.c.bias, padding=1)
        found = F.conv2d(quantized_input(x, calibration), quantized_weight(w), model.c.bias, padding=1)
        outputs = [model.o(torch.relu(y).mean((2, 3))) for y in (expected, found)]
    assert row["weight_sqnr_db"] == pytest.approx(decibels(w, quantized_weight(w)), abs=1e-3)
    assert row["layer_output_sqnr_db"] == pytest.approx(decibels(expected, found), abs=1e-3)
    assert row["model_output_sqnr_db"] == pytest.approx(decibels(*outputs), abs=1e-3)
    rounded = [round(row[f"{what}_sqnr_db"], 1) for what in ("weight", "layer_output", "model_output")]
    assert rounded == [48.1, 39.6, 51.1]
    assert "what its product receives is quantized" in row["note"]


def received(model):
    """The weight that the first layer of one of the sequential models computes."""
    layer = layer_models.__dict__[model]()[0]
    if model == "normalised":
        return F.normalize(layer.weight)
    return layer.weight * layer.mask * 3 if model == "masked" else layer.weight + layer.B @ layer.A


@pytest.mark.parametrize("method", ["one_at_a_time", "leave_one_out", "gradient", "statistics"])
@pytest.mark.parametrize("model", ["normalised", "masked", "merged"])
def test_computed_weights_of_linear_layers(model, method, tmp_path):
    row = by_name(run(tmp_path, model, method=method))["0"]
    x, calibration = layer_models.rows(), layer_models.row_calibration()
    with torch.no_grad():
        w, bias = received(model), layer_models.__dict__[model]()[0].bias
        expected = F.linear(x, w, bias)
        found = F.linear(quantized_input(x, calibration), quantized_weight(w), bias)
    assert row["weight_sqnr_db"] == pytest.approx(decibels(w, quantized_weight(w)), abs=1e-3)
    assert row["layer_output_sqnr_db"] == pytest.approx(decibels(expected, found), abs=1e-3)
    assert "what its product receives is quantized" in row["note"]


def test_a_weight_that_hangs_on_the_input_is_quantized_raw_and_said(tmp_path):
    row = by_name(run(tmp_path, "gated"))["0"]
    w = layer_models.gated()[0].weight.detach()
    assert row["weight_sqnr_db"] == pytest.approx(decibels(w, quantized_weight(w)), abs=1e-3)
    assert "the raw parameter is quantized" in row["note"]


def test_a_weight_that_is_used_as_it_stands_has_no_note(tmp_path):
    result = run(tmp_path, "plain")
    assert [row["note"] for row in result["layers"]] == ["", ""]
    assert result["coverage"]["macs_share"] == 1.0
    assert result["coverage"]["skipped"] == []


def test_a_computed_weight_learns_in_place_of_the_product_s_operand(tmp_path):
    row = by_name(run(tmp_path, "normalised", mode="qat:steps=2", weight_formats=("int4",)))["0"]
    assert row["model_output_sqnr_db"] > 0
    assert row["model_output_sqnr_db"] != row["ptq_model_output_sqnr_db"]


@pytest.mark.parametrize(("model", "kind"), [("lora", "matmul"), ("functional_lora", "linear")])
def test_products_beside_the_layer_s_own_are_counted_and_listed(model, kind, tmp_path):
    """48 of 240 multiply-accumulates a sample."""
    result = run(tmp_path, model)
    coverage, skipped = result["coverage"], {entry["name"]: entry for entry in result["coverage"]["skipped"]}
    assert result["facts"]["macs_per_sample"] == 240
    assert coverage["macs_share"] == pytest.approx(192 / 240)
    products = [entry for entry in skipped.values() if entry["type"] == kind]
    assert [entry["macs"] for entry in products] == [16, 32]
    assert [entry["params"] for entry in products] == [16, 32]
    assert "0.A stays FP32" in products[0]["reason"]
    assert "0.B stays FP32" in products[1]["reason"]
    assert all("note" in row and row["note"] == "" for row in result["layers"])


@pytest.mark.parametrize("model", ["lora", "functional_lora"])
def test_they_are_layers_where_functional_operations_are(model, tmp_path):
    result = run(tmp_path, model, include=("functional",))
    assert result["facts"]["macs_per_sample"] == 240
    assert result["coverage"]["macs_share"] == pytest.approx(1.0)
    assert {row["layer"].partition("#")[0] for row in result["layers"]} == {"0", "2"}
    assert len(result["layers"]) == 5
