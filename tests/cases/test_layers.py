"""What a layer is: what its product really receives, what it multiplies besides, and the parts of a stacked one."""

import math
from pathlib import Path

import layer_models
import pytest
import torch
import torch.nn.functional as F
from engine_helpers import run_work, sweep
from safetensors.torch import load_file

from qdash.errors import ModelError, SpecError
from qdash.layers.recurrent import Recurrent
from qdash.spec.checked import checked
from qdash.spec.mixed import MeasureSpec, QatSpec
from qdash.spec.sweep import SweepSpec

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


def test_a_computed_weight_of_a_transposed_convolution(tmp_path):
    row = by_name(run(tmp_path, "clamped", "images"))["0"]
    w = layer_models.clamped()[0].weight.detach().clamp(-0.1, 0.1)
    assert row["weight_sqnr_db"] == pytest.approx(
        decibels(w, quantized_weight(w.transpose(0, 1)).transpose(0, 1)), abs=1e-3
    )
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


def test_a_plan_that_would_store_a_computed_weight_is_refused(tmp_path):
    text = f"python:{FILE}:"
    swept = checked(SweepSpec, model=text + "normalised", data=text + "rows", metric="agreement")
    values = {"sweep": swept, "setting": swept.settings()[0], "training": "qat:steps=2"}
    with pytest.raises(ModelError, match=r"forward of 0 computes its weight.*keep it in FP32: --keep 0"):
        run_work("qat", QatSpec(**values), tmp_path)
    run_work("qat", QatSpec(**values, keep=("0",)), tmp_path)


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


def test_products_beside_a_recurrent_layer_are_counted_too(tmp_path):
    result = run(tmp_path, "adapted", "sequences")
    products = [entry for entry in result["coverage"]["skipped"] if entry["type"] == "matmul"]
    assert [entry["macs"] for entry in products] == [5 * 12, 5 * 12]
    assert "beside the product of lstm: lstm.A stays FP32" in products[0]["reason"]
    share = result["coverage"]["macs_share"]
    assert share == pytest.approx(1 - 120 / result["facts"]["macs_per_sample"])


@pytest.mark.parametrize("model", ["lora", "functional_lora"])
def test_they_are_layers_where_functional_operations_are(model, tmp_path):
    result = run(tmp_path, model, include=("functional",))
    assert result["facts"]["macs_per_sample"] == 240
    assert result["coverage"]["macs_share"] == pytest.approx(1.0)
    assert {row["layer"].partition("#")[0] for row in result["layers"]} == {"0", "2"}
    assert len(result["layers"]) == 5


LSTM_PARTS = ["lstm#l0", "lstm#l0_reverse", "lstm#l1", "lstm#l1_reverse"]


@pytest.mark.parametrize(
    ("model", "layers"),
    [("lstm", [*LSTM_PARTS, "last"]), ("gru", ["lstm#l0", "lstm#l1", "lstm#l2", "last"]), ("single", ["lstm", "last"])],
)
def test_each_stacked_layer_and_direction_is_a_row(model, layers, tmp_path):
    result = run(tmp_path, model, "sequences")
    facts = {layer["layer"]: layer for layer in result["facts"]["layers"]}
    module = layer_models.__dict__[model]()
    assert list(facts) == layers
    assert sum(layer["params"] for layer in facts.values()) == sum(p.numel() for p in module.parameters())
    assert sum(layer["macs"] for layer in facts.values()) == pytest.approx(result["facts"]["macs_per_sample"])
    assert result["coverage"]["macs_share"] == pytest.approx(1.0)
    inputs = {row["layer"]: row["input_sqnr_db"] for row in result["layers"]}
    assert [name for name, value in inputs.items() if value is not None and name != "last"] == [layers[0]]


def test_a_part_alone_agrees_with_its_weights_quantized_by_hand(tmp_path):
    found = by_name(run(tmp_path, "lstm", "sequences"))
    x, calibration = layer_models.sequences(), layer_models.sequence_calibration()
    with torch.no_grad():
        expected = layer_models.lstm().eval()(x)
        for name in LSTM_PARTS:
            model, part = layer_models.lstm().eval(), name.partition("#")[2]
            for key, weight in model.lstm.named_parameters():
                if key.startswith("weight") and key.endswith(f"_{part}"):
                    weight.copy_(quantized_weight(weight))
            got = model(quantized_input(x, calibration) if part == "l0" else x)
            assert found[name]["model_output_sqnr_db"] == pytest.approx(decibels(expected, got), abs=1e-4)


@pytest.mark.parametrize("mode", ["static", "dynamic", "weight_only"])
def test_all_parts_together_are_the_whole_layer_to_the_bit(mode, tmp_path, monkeypatch):
    def noises(folder, layers):
        folder.mkdir()
        result = run(folder, "lstm", "sequences", mode=mode)
        assert [layer["layer"] for layer in result["facts"]["layers"]] == layers
        found = [s.sums["noise"] for s in result["scores"] if s.kind in ("all_quantized", "cumulative")][:2]
        return found + measured(folder, ("last",), mode)

    parts = noises(tmp_path / "parts", [*LSTM_PARTS, "last"])
    monkeypatch.setattr(Recurrent, "parts", lambda self, module: {})
    assert parts == noises(tmp_path / "whole", ["lstm", "last"])


def measured(folder, keep, mode):
    text = f"python:{FILE}:"
    values = {"model": text + "lstm", "data": text + "sequences", "calibration_data": text + "sequence_calibration"}
    spec = checked(SweepSpec, **values, mode=mode, metric="agreement", observers=("min_max",))
    measure = MeasureSpec(sweep=spec, setting=spec.settings()[0], keep_sets=(keep,))
    _, scores, _ = run_work("measure", measure, folder)
    return [score.sums["noise"] for score in scores if score.kind == "measurement"]


def test_the_name_of_the_module_means_all_its_parts(tmp_path):
    assert measured(tmp_path, ("lstm",), "static") == measured(tmp_path, tuple(LSTM_PARTS), "static")
    assert [row["layer"] for row in run(tmp_path, "lstm", "sequences", layers="last")["facts"]["layers"]] == ["last"]
    for pattern in ("lstm", "lst?", "lstm#*"):
        assert set(by_name(run(tmp_path, "lstm", "sequences", layers=pattern))) == set(LSTM_PARTS)
    assert set(by_name(run(tmp_path, "lstm", "sequences", layers="lstm#l1"))) == {"lstm#l1"}
    with pytest.raises(SpecError, match="'lstm#l7' is not in this run"):
        measured(tmp_path, ("lstm#l7",), "static")


@pytest.mark.parametrize("method", ["one_at_a_time", "leave_one_out", "gradient", "statistics"])
def test_parts_in_every_method(method, tmp_path):
    lossless = {"weight_formats": ("identity",), "activation_formats": ("identity",)}
    for row in run(tmp_path, "lstm", "sequences", method=method, **lossless)["layers"]:
        assert row["layer_output_sqnr_db"] == math.inf
        assert row["model_output_sqnr_db"] in (math.inf, None)
    result = run(tmp_path, "lstm", "sequences", method=method)
    assert {row["layer"] for row in result["layers"]} == {*LSTM_PARTS, "last"}
    assert all(row["status"] == "ok" for row in result["layers"])


def test_parts_learn_alone_and_in_a_plan_that_keeps_the_module(tmp_path):
    options = {"weight_formats": ("int4",), "metric": "agreement"}
    alone = by_name(run(tmp_path, "gru", "sequences", mode="qat:steps=2:batch_size=8", **options))
    assert all(row["ptq_model_output_sqnr_db"] is not None for row in alone.values())
    text = f"python:{FILE}:"
    swept = checked(SweepSpec, model=text + "gru", data=text + "sequences", **options)
    for keep in (("lstm#l1",), ("lstm",)):
        spec = checked(QatSpec, sweep=swept, setting=swept.settings()[0], keep=keep, training="qat:steps=2")
        facts, _, _ = run_work("qat", spec, tmp_path)
        state = load_file(tmp_path / facts["weights_file"])
        original = layer_models.gru().state_dict()
        changed = {name for name in original if not torch.equal(state[name], original[name])}
        kept = {f"lstm.weight_{what}_l1" for what in ("ih", "hh")}
        every = {f"lstm.weight_{what}_l{k}" for what in ("ih", "hh") for k in range(3)} | {"last.weight"}
        assert changed == (every - kept if keep == ("lstm#l1",) else {"last.weight"})
        assert "quantization.last.weight.scale" in state


def test_dynamic_as_torch_deploys_it_is_a_named_preset(tmp_path):
    def swept(**values):
        result = run(tmp_path, "gru", "sequences", **values)
        return {row["layer"]: row["model_output_sqnr_db"] for row in result["layers"]}

    per_tensor = {"activation_granularity": "per_tensor", "weight_granularity": "per_tensor"}
    deployed = swept(mode="dynamic:as_deployed=true")
    assert deployed == swept(mode="dynamic", **per_tensor)
    assert deployed != swept(mode="dynamic")
    with pytest.raises(SpecError, match="means weight_granularity per_tensor, not per_group"):
        swept(mode="dynamic:as_deployed=true", weight_granularity="per_group")
