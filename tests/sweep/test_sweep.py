"""A sweep against a loop written by hand: full forward per layer, no replay, equal to the bit."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from engine_helpers import sweep

from qdash.demo.data import digits
from qdash.demo.networks import build
from qdash.engine.bench import Bench
from qdash.errors import QdashError
from qdash.instrument.folding import folded
from qdash.results.plain import plain

SAMPLES = 24
ROW_FIELDS = """layer type order calls params macs settings method status weight_sqnr_db input_sqnr_db
layer_output_sqnr_db layer_output_mse weights_only_layer_output_sqnr_db inputs_only_layer_output_sqnr_db
cumulative_sqnr_db model_output_sqnr_db model_output_sqnr_db_low model_output_sqnr_db_high model_output_mse
model_output_kl model_output_kl_low model_output_kl_high cosine metric_delta metric_delta_low metric_delta_high flipped
samples seconds"""


def fake_quantize(x, scale, zero_point, low, high):
    """The textbook formula with rounding before the zero point, in float32."""
    return (torch.clamp(torch.round(x / scale) + zero_point, low, high) - zero_point) * scale


def naive_weight(weight):
    """int8, symmetric, per output channel."""
    largest = weight.flatten(1).abs().amax(1).double()
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest)).float()
    return fake_quantize(weight, scale.view(-1, *[1] * (weight.dim() - 1)), 0.0, -127, 127)


def naive_input(x, low, high):
    """uint8-like affine int8 from a range."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = min(max(round(-128 - low / scale), -128), 127)
    return fake_quantize(x, torch.tensor(scale, dtype=torch.float32), float(zero_point), -128, 127)


def naive_outputs(model, layers, x, ranges, mode):
    """Model outputs with one layer quantized at a time, every forward in full."""
    found = {}
    for name in layers:
        layer = model.get_submodule(name)
        original = layer.weight.data
        handle = None
        if mode == "static":
            handle = layer.register_forward_pre_hook(lambda _, args, r=ranges[name]: (naive_input(args[0], *r),))
        layer.weight.data = torch.empty_like(original).copy_(naive_weight(original))  # its layout too
        found[name] = model(x)
        layer.weight.data = original
        if handle:
            handle.remove()
    return found


@pytest.mark.parametrize("model_name", ["digits-resnet", "digits-mobilenet", "digits-vit"])
@pytest.mark.parametrize("mode", ["weight_only", "static"])
@pytest.mark.parametrize("memory_format", ["auto", "contiguous"])
def test_one_at_a_time_agrees_with_the_naive_loop_to_the_bit(model_name, mode, memory_format, tmp_path):
    values = {"model": f"demo:{model_name}", "data": "demo:digits", "mode": mode, "observers": ("min_max",)}
    result = sweep(tmp_path, **values, samples=SAMPLES, memory_format=memory_format)
    layers = [row["layer"] for row in result["layers"]]
    images, labels = digits("evaluation")
    order = np.random.default_rng(0).permutation(len(images))[:SAMPLES]
    calibration, _ = digits("calibration")
    x, target = torch.from_numpy(images[order]), torch.from_numpy(labels[order])
    model = build(model_name)
    with torch.no_grad(), folded(model, (x[:16],), {}):
        if result["facts"]["memory_format"] == "channels_last":
            model.to(memory_format=torch.channels_last)
        ranges = {}
        handles = [
            model.get_submodule(n).register_forward_pre_hook(
                lambda _, args, n=n: ranges.__setitem__(n, (args[0].min().item(), args[0].max().item()))
            )
            for n in layers
        ]
        chosen = np.random.default_rng(0).permutation(len(calibration))
        widest = {}
        for start in range(0, len(chosen), 32):
            model(torch.from_numpy(calibration[chosen[start : start + 32]]))
            for name, (low, high) in ranges.items():
                before = widest.get(name, (0.0, 0.0))
                widest[name] = min(before[0], low), max(before[1], high)
        for handle in handles:
            handle.remove()
        reference = model(x)
        outputs = naive_outputs(model, layers, x, widest, mode)
    scores = {s.subject: s for s in result["scores"] if s.kind == "layer"}
    for name, output in outputs.items():
        noise = (reference.double() - output.double()).square().flatten(1).sum(1)
        assert scores[name].sums["noise"] == float(noise.numpy().sum()), name
        hits = (output.argmax(1) == target).double()
        assert np.array_equal(scores[name].samples["outcome"], hits.float().numpy()), name


def test_batch_sizes_give_the_same_numbers(tmp_path):
    def numbers(batch_size):
        result = sweep(
            tmp_path,
            model="demo:digits-mobilenet",
            data="demo:digits",
            mode="static",
            samples=20,
            batch_size=batch_size,
            weight_formats=("int4",),
            layers="conv_stem,blocks.[024].*,classifier",
        )
        names = ("layer_output_sqnr_db", "model_output_sqnr_db", "cumulative_sqnr_db", "input_sqnr_db", "cosine")
        return {row["layer"]: [row[name] for name in names] for row in result["layers"]}

    whole, seven, one = numbers(20), numbers(7), numbers(1)
    for layer, values in whole.items():
        np.testing.assert_allclose(seven[layer], values, atol=0.02)  # dB; kernels round differently
        np.testing.assert_allclose(one[layer], values, atol=0.02)  # dB; kernels round differently


@pytest.mark.parametrize("method", ["one_at_a_time", "leave_one_out", "statistics"])
@pytest.mark.parametrize("mode", ["weight_only", "dynamic", "static"])
def test_identity_scores_exactly_no_loss(method, mode, tmp_path):
    result = sweep(
        tmp_path,
        model="demo:digits-resnet",
        data="demo:digits",
        mode=mode,
        method=method,
        samples=16,
        calibration_samples=16,
        weight_formats=("identity",),
        activation_formats=("identity",),
    )
    for row in result["layers"]:
        assert row["layer_output_sqnr_db"] == math.inf
        assert row["weight_sqnr_db"] == math.inf
        if method != "statistics":
            assert row["model_output_sqnr_db"] == math.inf
            assert row["model_output_kl"] == 0
            assert row["metric_delta"] == 0
            assert row["flipped"] == 0
    if method != "statistics":
        assert result["all_quantized"]["sqnr_db"] == math.inf
        assert result["all_quantized"]["delta"] == 0


def test_bit_steps_follow_the_narrow_range_law(tmp_path):
    """8→6 bits costs 12.25 dB, 6→4 12.93, of an unclipped symmetric weight (20·log10 of the level ratios)."""
    result = sweep(
        tmp_path,
        model="demo:digits-resnet",
        data="demo:digits",
        mode="weight_only",
        observers=("min_max",),
        weight_formats=("int8", "int6", "int4"),
        method="statistics",
        samples=16,
    )
    by_format = {}
    for row in result["layers"]:
        by_format.setdefault(row["settings"]["weight_format"], {})[row["layer"]] = row["weight_sqnr_db"]
    steps = [np.median([by_format["int8"][n] - by_format["int6"][n] for n in by_format["int8"]])]
    steps += [np.median([by_format["int6"][n] - by_format["int4"][n] for n in by_format["int8"]])]
    np.testing.assert_allclose(steps, [12.25, 12.93], atol=0.4)


def test_lstm_is_swept_and_what_is_not_simulated_is_said(tmp_path):
    result = sweep(tmp_path, model="demo:digits-lstm", data="demo:digits", mode="dynamic", samples=32)
    row = next(row for row in result["layers"] if row["type"] == "LSTM")
    assert "hidden state" in row["note"]
    assert row["weight_sqnr_db"] > 30
    assert 0 < row["model_output_kl"] < 0.1


def test_dynamic_ranges_don_t_depend_on_the_batch(tmp_path):
    def kl(batch_size):
        result = sweep(
            tmp_path, model="demo:digits-vit", data="demo:digits", mode="dynamic", samples=12, batch_size=batch_size
        )
        return {row["layer"]: row["model_output_kl"] for row in result["layers"]}

    whole, single = kl(12), kl(1)
    for layer, value in whole.items():
        assert single[layer] == pytest.approx(value, rel=0.02, abs=1e-9)


def test_counted_work_of_a_replayed_sweep_is_far_below_the_naive_one(tmp_path):
    values = {"model": "demo:digits-resnet", "data": "demo:digits", "samples": 96, "calibration_samples": 32}
    result = sweep(tmp_path, mode="weight_only", **values)
    layers = len(result["layers"])
    assert result["cost"]["forward_equivalents"] <= 0.75 * (layers + 1)


def test_leave_one_out_recovers_and_ranks_by_what_remains(tmp_path):
    result = sweep(
        tmp_path,
        model="demo:digits-mobilenet",
        data="demo:digits",
        method="leave_one_out",
        weight_formats=("int4",),
        weight_granularity="per_tensor",
        samples=200,
    )
    rows = result["layers"]
    first, last = rows[0], rows[-1]
    assert first["recovered"] > last["recovered"]
    assert first["model_output_kl"] < last["model_output_kl"]
    for row in rows:
        assert row["recovered"] == pytest.approx(row["metric_delta"] - result["all_quantized"]["delta"], abs=1e-9)


def test_json_is_finite_and_complete(tmp_path):
    import json

    result = sweep(tmp_path, model="demo:digits-resnet", data="demo:digits", mode="weight_only", samples=8)
    text = json.dumps(plain({k: v for k, v in result.items() if k not in ("scores", "facts")}), allow_nan=False)
    row = json.loads(text)["layers"][0]
    for name in ROW_FIELDS.split():
        assert name in row
    assert row["metric_delta_low"] is None  # 8 samples are too few for an interval
    (score,) = [s for s in result["scores"] if s.kind == "layer" and s.subject == row["layer"]]
    assert row["model_output_mse"] == pytest.approx(score.sums["noise"] / (8 * 10))
    assert row["input_sqnr_db"] is None  # inputs stay FP32


def test_paranoid_compares_replays_with_full_forwards(tmp_path, monkeypatch):
    values = {"model": "demo:digits-resnet", "data": "demo:digits", "samples": 64, "batch_size": 16, "paranoid": True}
    checked = []
    original = Bench.check_replay
    monkeypatch.setattr(Bench, "check_replay", lambda bench, *a: (original(bench, *a), checked.append(bench.checked)))
    sweep(tmp_path, **values)
    assert 0 < max(checked) < len(checked) / 4
    monkeypatch.setattr(
        Bench, "run", lambda bench, overrides: replace(bench.reference, judged=bench.reference.judged + 1)
    )
    with pytest.raises(QdashError, match="differs from that of a full forward"):
        sweep(tmp_path, **values)
