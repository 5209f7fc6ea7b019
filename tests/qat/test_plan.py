"""The whole plan fine-tuned: on the MobileNet demo at W4A4 it wins back at least half of what quantizing lost."""

import json

import numpy as np
import pytest
import torch
from engine_helpers import qat_json, run_work
from safetensors import safe_open
from safetensors.torch import load_file

from qdash.demo.data import digits
from qdash.demo.networks import build
from qdash.errors import SpecError
from qdash.executors.base import build_work
from qdash.records.scores import Progress, Score
from qdash.spec.checked import checked
from qdash.spec.mixed import QatSpec
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec
from qdash.tensors.checkpoints.load import load_weights

SWEEP = checked(
    SweepSpec,
    model="demo:digits-mobilenet",
    data="demo:digits",
    observers=("min_max",),
    weight_formats=("int4",),
    activation_formats=("int4",),
)


SHORT = SWEEP.model_copy(update={"samples": 64, "batch_size": 32})


def plan(steps=60, sweep=SWEEP, **values):
    training = values.pop("training", f"qat:steps={steps}")
    return checked(
        QatSpec, sweep=sweep, setting=values.pop("setting", sweep.settings()[0]), training=training, **values
    )


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """(folder of artifacts, facts, scores, result) of the MobileNet at W4A4, 60 steps."""
    folder = tmp_path_factory.mktemp("plan")
    facts, scores, cost = run_work("qat", plan(), folder)
    return folder, facts, scores, qat_json("run", "parent", plan(), facts, scores, cost)


def test_at_least_half_of_what_quantizing_lost_is_won_back(tuned):
    result = tuned[-1]
    assert result["fp32"]["value"] - result["ptq"]["value"] > 3, "there is something to win back"
    assert result["recovered_share"] >= 0.5
    assert result["recovered_low"] > 0
    assert result["qat"]["sqnr_db"] > result["ptq"]["sqnr_db"] + 3
    assert result["qat"]["samples"] == result["ptq"]["samples"] == result["fp32"]["samples"] == 597


def test_the_json_tells_curve_training_and_intervals(tuned):
    result = tuned[-1]
    assert [step["step"] for step in result["curve"]] == list(range(60))
    losses = [step["loss"] for step in result["curve"]]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:5])
    assert result["training"]["steps"] == 60
    assert result["training"]["samples"] == 1000
    assert result["training"]["loss"] == "distillation (squared error)"
    for name in ("ptq", "qat"):
        assert result[name]["low"] < result[name]["delta"] < result[name]["high"]
        assert result[name]["delta"] == pytest.approx(result[name]["value"] - result["fp32"]["value"])
    assert result["recovered_points"] == pytest.approx(result["qat"]["value"] - result["ptq"]["value"])
    assert (result["run_id"], result["parent"], result["keep_fp32"]) == ("run", "parent", [])
    json.dumps(result, allow_nan=False)


def test_a_second_run_finds_what_was_learned_and_its_curve(tuned):
    folder, _, _, first = tuned
    facts, scores, cost = run_work("qat", plan(), folder)
    second = qat_json("run", "parent", plan(), facts, scores, cost)
    assert second["curve"] == first["curve"]
    assert second["qat"] == first["qat"]


def test_the_file_makes_the_original_model_the_fine_tuned_one(tuned):
    """Loaded by torch into the untouched model, with the file's scales at the inputs: the reported accuracy."""
    folder, facts, _, result = tuned
    path = folder / facts["weights_file"]
    tensors, model = load_file(path), build("digits-mobilenet")
    model.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("quantization.")}, strict=True)
    scales = {k.removeprefix("quantization."): v for k, v in tensors.items() if k.startswith("quantization.")}
    layers = [name.removesuffix(".input.scale") for name in scales if name.endswith(".input.scale")]
    assert len(layers) == 21

    def quantize(scale, zero_point):
        return lambda _, args: (torch.fake_quantize_per_tensor_affine(args[0], scale, zero_point, -8, 7),)

    for name in layers:
        layer = model.get_submodule(name)
        grid = float(scales[f"{name}.input.scale"]), int(scales[f"{name}.input.zero_point"])
        layer.register_forward_pre_hook(quantize(*grid))
        scale = scales[f"{name}.weight.scale"].reshape(-1, *[1] * (layer.weight.dim() - 1))
        levels = layer.weight.detach() / scale
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
        assert float(levels.abs().max()) <= 7.001
    images, labels = digits("evaluation")
    with torch.no_grad():
        accuracy = 100 * float((model(torch.from_numpy(images)).argmax(1).numpy() == labels).mean())
    assert accuracy == pytest.approx(result["qat"]["value"], abs=0.4)  # points; kernels round differently


def test_the_file_loads_like_any_weights_and_says_what_was_kept(tuned):
    folder, facts, _, _ = tuned
    path = folder / facts["weights_file"]
    notes = load_weights(build("digits-mobilenet"), str(path))
    assert any("left its scales out" in note for note in notes)
    with safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["qdash"])
    assert told["keep_fp32"] == []
    assert ["conv_stem", "bn1"] in told["folded"]
    assert told["setting"]["weight_format"] == "int4"


def test_kept_layers_stay_as_they_are(tmp_path):
    keep = ("conv_stem", "blocks.0.conv_pwl")
    facts, _, _ = run_work("qat", plan(4, sweep=SHORT, keep=keep), tmp_path)
    tensors, original = load_file(tmp_path / facts["weights_file"]), build("digits-mobilenet").state_dict()
    for name in ("conv_stem.weight", "bn1.running_mean", "blocks.0.conv_pwl.weight", "blocks.0.bn3.weight"):
        assert torch.equal(tensors[name], original[name]), name
    assert not torch.equal(tensors["classifier.weight"], original["classifier.weight"])
    assert not any("conv_stem" in name for name in tensors if name.startswith("quantization."))


def stopping_after(checks):
    left = iter(range(checks))
    return lambda: next(left, None) is None


def test_resuming_gives_the_same_weights_to_the_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    spec = plan(sweep=SHORT, training="qat:steps=12:learned_scale=true")
    whole.mkdir(), parts.mkdir()
    _, expected, _ = run_work("qat", spec, whole)
    position, found, works = "start", {}, 0
    while position is not None:
        work = build_work("qat", spec.model_dump_json(), str(parts))
        works += 1
        try:
            for record in work.advance(position, stopping_after(9)):  # seven of them while it calibrates
                if isinstance(record, Progress):
                    position = record.position
                elif isinstance(record, Score):
                    found[record.kind, record.setting, record.batch] = record.sums
        finally:
            work.close()
    assert works > 3
    (path,) = whole.glob("trained-*")
    assert path.read_bytes() == (parts / path.name).read_bytes()
    (path,) = whole.glob("qat-*")
    once, again = load_file(path), load_file(parts / path.name)
    assert once.keys() == again.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in once.items())
    assert not list(parts.glob("training-*"))
    for score in expected:
        if score.kind == "training":
            assert found[score.kind, score.setting, score.batch] == score.sums


@pytest.mark.parametrize("mode", ["dynamic", "weight_only"])
@pytest.mark.parametrize("format", ["int4", "fp8_e4m3fn", "mxfp4", "nf4"])
def test_other_modes_and_formats_learn_too(mode, format, tmp_path):
    sweep = SHORT.model_copy(update={"mode": mode, "weight_formats": (format,), "layers": "blocks.0.*"})
    spec = plan(8, sweep=sweep)
    facts, scores, cost = run_work("qat", spec, tmp_path)
    result = qat_json("run", None, spec, facts, scores, cost)
    assert result["qat"]["status"] == "ok"
    assert result["qat"]["sqnr_db"] != result["ptq"]["sqnr_db"]
    assert result["qat"]["sqnr_db"] > result["ptq"]["sqnr_db"] - 3


@pytest.mark.parametrize("loss", ["distillation_kl", "labels"])
def test_other_losses_win_back_too(loss, tmp_path):
    spec = plan(training=f"qat:steps=40:loss={loss}")
    facts, scores, cost = run_work("qat", spec, tmp_path)
    assert qat_json("run", None, spec, facts, scores, cost)["recovered_share"] > 0.5


def test_epochs_are_passes_over_the_training_samples(tmp_path):
    spec = plan(training="qat:batch_size=250", epochs=2, sweep=SHORT.model_copy(update={"layers": "blocks.0.*"}))
    facts, scores, _ = run_work("qat", spec, tmp_path)
    assert facts["training"]["steps"] == 8
    assert facts["training"]["epochs"] == 2
    assert sum(score.kind == "training" for score in scores) == 8


TIED = """
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))))


def build():
    return Tied()
"""


def test_tied_weights_stay_tied(tmp_path):
    (tmp_path / "tied.py").write_text(TIED)
    x = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    sweep = checked(
        SweepSpec,
        model=f"python:{tmp_path / 'tied.py'}:build",
        data=str(tmp_path / "data.npz"),
        metric="agreement",
        weight_formats=("int3",),
    )
    facts, _, _ = run_work("qat", plan(10, sweep=sweep), tmp_path)
    tensors = load_file(tmp_path / facts["weights_file"])
    assert torch.equal(tensors["first.weight"], tensors["second.weight"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training": "static"}, r"the mode static does not train"),
        ({"training": "qat:steps=none"}, r"steps = 'none'"),
        ({"setting": Setting(mode="qat")}, r"its mode is qat; give the mode before the fine-tune"),
        ({"epochs": 0}, r"epochs = 0"),
    ],
)
def test_wrong_specs_are_told(values, message):
    with pytest.raises(SpecError, match=message):
        plan(**values)


@pytest.mark.parametrize(
    ("keep", "message"), [(("nope",), r"layer 'nope' is not in this run"), (None, r"every layer stays in FP32")]
)
def test_wrong_sets_are_told(keep, message, tuned, tmp_path):
    layers = tuple(layer["layer"] for layer in tuned[1]["layers"])
    with pytest.raises(SpecError, match=message):
        run_work("qat", plan(2, keep=layers if keep is None else keep), tmp_path)
