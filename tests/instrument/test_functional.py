"""Functional operations: seen, counted, never silent; on request layers like any other."""

from pathlib import Path

import functional_model
import numpy as np
import pytest
import torch
from engine_helpers import sweep
from torch import nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils.flop_counter import FlopCounterMode

from qdash.engine.tape.replay import Recorder
from qdash.errors import SpecError
from qdash.instrument.calls import Instrument
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec

FILE = Path(functional_model.__file__)
WIDTH, TOKENS, CLASSES, SAMPLES = 8, 5, 3, 16


def run(folder, build="build", **values):
    given = {"method": "one_at_a_time", "observers": ("min_max",), "metric": "agreement", **values}
    text = f"python:{FILE}:"
    return sweep(folder, model=text + build, data=text + "samples", calibration_data=text + "calibration", **given)


@pytest.fixture(scope="module")
def included(tmp_path_factory):
    return run(tmp_path_factory.mktemp("included"), include=("functional",))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain"))


def test_operations_are_named_by_their_place_and_typed(included):
    layers = [(layer["layer"], layer["type"]) for layer in included["facts"]["layers"]]
    assert layers == [
        ("attention.project", "Linear"),
        ("attention#matmul_1", "matmul"),
        ("attention#matmul_2", "matmul"),
        ("(model)#add_1", "add"),
        ("(model)#add_2", "add"),
        ("(model)#scaled_dot_product_attention_1", "scaled_dot_product_attention"),
        ("(model)#linear_1", "linear"),
    ]


def test_without_the_request_they_are_skipped_with_their_work_and_a_reason(plain):
    assert [row["layer"] for row in plain["layers"]] == ["attention.project"]
    skipped = {entry["name"]: entry for entry in plain["coverage"]["skipped"]}
    product = TOKENS * TOKENS * WIDTH  # multiply-accumulates of one sample
    assert skipped["attention#matmul_1"]["macs"] == skipped["attention#matmul_2"]["macs"] == product
    assert skipped["(model)#scaled_dot_product_attention_1"]["macs"] == 2 * product
    assert skipped["(model)#linear_1"]["macs"] == WIDTH * CLASSES
    assert "reads weight; --include functional" in skipped["(model)#linear_1"]["reason"]
    assert skipped["(model)#add_1"]["macs"] == 0
    covered = plain["coverage"]["macs_share"] * plain["facts"]["macs_per_sample"]
    left = sum(entry["macs"] for entry in skipped.values())
    assert covered + left == pytest.approx(plain["facts"]["macs_per_sample"])


def test_the_request_changes_coverage_but_not_the_work(plain, included):
    assert included["facts"]["macs_per_sample"] == plain["facts"]["macs_per_sample"]
    assert included["coverage"]["macs_share"] == pytest.approx(1.0)
    assert plain["coverage"]["macs_share"] < 0.8
    assert {e["name"] for e in included["coverage"]["skipped"]} == {"(model)", "norm"}


def test_macs_agree_with_torch_s_counter():
    """On operations that the counter knows."""
    a, b, images = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 5, 6), torch.randn(2, 3, 8, 8)
    calls = {
        "matmul": lambda: torch.matmul(a, b),
        "bmm": lambda: torch.bmm(a[0], b[0]),
        "mm": lambda: a[0, 0].mm(b[0, 0]),
        "addmm": lambda: torch.addmm(torch.zeros(6), a[0, 0], b[0, 0]),
        "baddbmm": lambda: torch.baddbmm(torch.zeros(3, 4, 6), a[0], b[0]),
        "einsum": lambda: torch.einsum("...ij,...jk->...ik", a, b),
        "einsum without an arrow": lambda: torch.einsum("ij, jk", a[0, 0], b[0, 0]),
        "linear": lambda: nn.functional.linear(a, torch.randn(7, 5)),
        "conv2d": lambda: nn.functional.conv2d(images, torch.randn(6, 1, 3, 3), groups=3),
    }
    for name, function in calls.items():
        with FlopCounterMode(display=False) as counter:
            function()
        assert _counted(function) == counter.get_total_flops() / 2, name


def _counted(function):
    class Calls(nn.Module):
        def forward(self):
            return function()

    from qdash.sweep.prepare.survey import Survey

    with Instrument(Calls()) as instrument:
        census = Survey(instrument, {})
        instrument.shows = census.shows
        with instrument.intercepting(census._see):
            instrument.run((), {})
    (macs,) = census.macs.values()
    return macs


@pytest.mark.parametrize("operation", [1, 2])
def test_a_product_agrees_with_operands_quantized_by_hand(included, operation):
    """Ranges of both operands from a pass over the calibration samples, affine int8."""
    (x, _), (calibration, _) = functional_model.samples(), functional_model.calibration()
    order = np.random.default_rng(0).permutation(SAMPLES)
    model, seen = functional_model.build().eval(), {}
    model.attention.hands = {
        key: (lambda t, key=key: seen.__setitem__(key, (min(t.min().item(), 0), max(t.max().item(), 0))) or t)
        for key in (operation, -operation)
    }
    with torch.no_grad():
        model(calibration[order].clone())
        model.attention.hands = {key: (lambda t, r=seen[key]: quantized(t, *r)) for key in (operation, -operation)}
        got = model(x[order].clone())
        model.attention.hands = {}
        expected = model(x[order].clone())
    noise = float((expected.double() - got.double()).square().sum())
    (score,) = [s for s in included["scores"] if s.kind == "layer" and s.subject == f"attention#matmul_{operation}"]
    assert score.sums["noise"] == pytest.approx(noise, rel=1e-9)
    assert noise > 0


def quantized(x, low, high):
    scale = (high - low) / 255
    zero_point = min(max(round(-128 - low / scale), -128), 127)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


def test_rows_of_operations_have_no_weight_and_the_error_of_their_operands(included):
    row = next(row for row in included["layers"] if row["layer"] == "attention#matmul_1")
    assert row["weight_sqnr_db"] is None
    assert row["weights_only_layer_output_sqnr_db"] is None
    assert 30 < row["input_sqnr_db"] < 60
    assert row["inputs_only_layer_output_sqnr_db"] == row["layer_output_sqnr_db"]


def test_a_weight_given_to_an_operation_is_quantized_as_weights_are(tmp_path, included):
    """In dynamic mode only the weight's scale stays the same; at 2 bits it dominates."""
    coarse = run(tmp_path, include=("functional",), weight_formats=("int2",), layers="*linear_1")
    fine = next(row for row in included["layers"] if row["layer"] == "(model)#linear_1")
    assert coarse["layers"][0]["layer_output_sqnr_db"] < fine["layer_output_sqnr_db"] - 20


@pytest.mark.parametrize("method", ["leave_one_out", "statistics"])
def test_other_methods_too(method, tmp_path):
    rows = run(tmp_path, method=method, include=("functional",))["layers"]
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == 7


def test_products_inside_an_attention_layer(tmp_path):
    result = run(tmp_path, build="build_fused", include=("functional",))
    names = [layer["layer"] for layer in result["facts"]["layers"]]
    assert names == ["attention", "attention#matmul_1", "attention#matmul_2", "(model)#add_1", "last"]
    assert result["coverage"]["macs_share"] == pytest.approx(1.0)
    assert not [entry for entry in result["coverage"]["skipped"] if entry["name"] == "attention.out_proj"]
    plain = run(tmp_path, build="build_fused")
    assert result["facts"]["macs_per_sample"] == plain["facts"]["macs_per_sample"]
    skipped = {entry["name"]: entry["macs"] for entry in plain["coverage"]["skipped"]}
    assert skipped == dict.fromkeys(["attention#matmul_1", "attention#matmul_2"], TOKENS * TOKENS * WIDTH) | {
        "(model)#add_1": 0
    }


def test_identity_scores_exactly_no_loss(tmp_path):
    formats = {"weight_formats": ("identity",), "activation_formats": ("identity",)}
    for row in run(tmp_path, include=("functional",), **formats)["layers"]:
        assert row["model_output_sqnr_db"] == np.inf


def test_weight_only_refuses_them():
    text = f"python:{FILE}:"
    with pytest.raises(
        SpecError, match="include functional quantizes activations, which stay FP32 in mode weight_only"
    ):
        checked(SweepSpec, model=text + "build", data=text + "samples", mode="weight_only", include=("functional",))


@pytest.fixture
def instrument():
    with Instrument(functional_model.build().eval()) as instrument:
        yield instrument


def test_replay_from_any_operation_gives_the_bits_of_a_full_forward(instrument):
    x = torch.randn(4, TOKENS, WIDTH)
    expected = instrument.run((x,), {})
    instrument.shows = lambda open_calls, operation: open_calls[-1] in ("(model)", "attention")
    recorder = Recorder(instrument)
    tape = recorder.record((x,), {})
    assert torch.equal(tape.output, expected)
    assert "(model)#add_1" in tape.calls
    for stop in range(len(tape.slots) + 1):
        assert torch.equal(recorder.replay(tape, stop, (x,), {}), expected), f"stop {stop}"
    for name in [name for name in tape.calls if "#" in name]:
        with instrument.overriding({name: lambda forward, args, kwargs: forward(*args, **kwargs) * 1.25}):
            replayed = recorder.replay(tape, tape.calls[name][0], (x,), {})
            assert torch.equal(replayed, recorder.run((x,), {})), name
            assert not torch.equal(replayed, expected), name


def test_nothing_is_watched_unless_asked_for(instrument):
    stacks = []
    with instrument.overriding(
        {"norm": lambda f, args, kwargs: stacks.append(_get_current_function_mode_stack()) or f(*args)}
    ):
        instrument.run((torch.randn(1, TOKENS, WIDTH),), {})
        instrument.shows = lambda open_calls, operation: True
        instrument.run((torch.randn(1, TOKENS, WIDTH),), {})
    assert [len(stack) for stack in stacks] == [0, 1]
