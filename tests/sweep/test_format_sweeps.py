"""Sweeps with formats that have scales of their own, power-of-two scales, and input granularities."""

import math

import numpy as np
import pytest
from engine_helpers import sweep

from qdash.errors import SpecError
from qdash.spec.checked import checked
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec

MODEL = {"data": "demo:digits", "samples": 32, "method": "statistics"}
FORMATS = ("int4", "nf4", "nvfp4", "mxfp4", "mxfp6", "mxfp8", "fp8_e4m3fn", "int8", "bf16", "fp16")
OVERFLOWS = """
import torch
from torch import nn

class Overflows(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.second(self.first(x.flatten(1)) * 1e6) * 1e-6
"""


def medians(result, side, name):
    found = {}
    for row in result["layers"]:
        found.setdefault(row["settings"][f"{side}_format"], []).append(float(row[name]))
    return {format: np.median(values) for format, values in found.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Artifacts: the calibration of a model is made once."""
    return tmp_path_factory.mktemp("artifacts")


def assert_more_bits_and_smaller_blocks_lose_less(db):
    assert db["mxfp4"] < db["nvfp4"] < db["mxfp6"] < db["mxfp8"] < db["fp8_e4m3fn"] < db["bf16"] < db["fp16"]
    assert db["nf4"] < db["mxfp6"]
    assert abs(db["mxfp4"] - db["int4"]) < 6
    assert db["int8"] > db["fp8_e4m3fn"]


@pytest.mark.parametrize("model", ["demo:digits-resnet", "demo:digits-vit"])
def test_weights_of_more_bits_and_smaller_blocks_lose_less(model, folder):
    result = sweep(folder, model=model, weight_formats=FORMATS, mode="weight_only", **MODEL)
    assert_more_bits_and_smaller_blocks_lose_less(medians(result, "weight", "weight_sqnr_db"))


@pytest.mark.parametrize("model", ["demo:digits-resnet", "demo:digits-vit"])
@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_inputs_of_more_bits_and_smaller_blocks_lose_less(model, mode, folder):
    values = {"weight_formats": ("identity",), "activation_formats": FORMATS, "mode": mode}
    result = sweep(folder, model=model, **values, **MODEL)
    assert_more_bits_and_smaller_blocks_lose_less(medians(result, "activation", "input_sqnr_db"))


def test_nf4_is_better_than_int4_per_tensor_and_groups_than_channels(folder):
    def median(format, granularity):
        values = MODEL | {"model": "demo:digits-resnet", "mode": "weight_only", "weight_granularity": granularity}
        return medians(sweep(folder, weight_formats=(format,), **values), "weight", "weight_sqnr_db")[format]

    nf4, int4 = median("nf4", "per_tensor"), median("int4", "per_tensor")
    assert nf4 > int4 + 1
    assert nf4 == median("nf4", "per_channel")
    assert median("int4", "per_group:size=32") > median("int4", "per_channel") > int4


def test_power_of_two_scales_cost_something_and_are_part_of_the_setting(folder):
    values = MODEL | {"model": "demo:digits-vit", "observers": ("min_max",)}
    plain, rounded = (sweep(folder, power_of_two_scales=power, **values) for power in (False, True))
    for one, other in zip(plain["layers"], sorted(rounded["layers"], key=lambda r: r["order"]), strict=True):
        same = next(r for r in rounded["layers"] if r["layer"] == one["layer"])
        assert same["weight_sqnr_db"] < one["weight_sqnr_db"] + 0.1
        assert same["weight_sqnr_db"] > one["weight_sqnr_db"] - 6.1  # at most one bit
        assert other["settings"]["power_of_two_scales"] is True
    assert Setting(power_of_two_scales=True).key != Setting().key


def test_overflow_of_fp16_is_non_finite_and_ranks_first(tmp_path):
    file = tmp_path / "overflows.py"
    file.write_text(OVERFLOWS)
    result = sweep(
        tmp_path,
        model=f"python:{file}:Overflows",
        data="demo:digits",
        samples=32,
        activation_formats=("fp16",),
        weight_formats=("identity",),
    )
    first, second = result["layers"]
    assert (first["layer"], first["status"]) == ("second", "non_finite")
    assert (second["layer"], second["status"]) == ("first", "ok")
    assert math.isfinite(second["model_output_kl"])


@pytest.mark.parametrize(
    ("mode", "granularity", "choices"),
    [
        ("static", "per_token", "choose per_tensor or leave it out"),
        ("static", "per_channel", "choose per_tensor or leave it out"),
        ("dynamic", "per_group:size=32", "choose per_sample, per_tensor, per_token or leave it out"),
    ],
)
def test_input_granularities_that_do_not_fit_are_refused(mode, granularity, choices):
    for spec in (Setting, SweepSpec):
        values = {"model": "demo:digits-vit", "data": "demo:digits"} if spec is SweepSpec else {}
        with pytest.raises(SpecError, match=f"{granularity} doesn't fit mode {mode}; {choices}"):
            checked(spec, mode=mode, activation_granularity=granularity, **values)
    assert checked(Setting, mode="weight_only", activation_granularity=granularity).mode == "weight_only"
