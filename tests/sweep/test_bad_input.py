"""Bad input ends in one line that names the culprit and the way out, and leaves the model as it was."""

import copy

import numpy as np
import pytest
import torch
from engine_helpers import sweep

import qdash.sweep.prepare.workload
from qdash.errors import DataError, InputError, ModelError, SpecError, UnknownNameError


@pytest.fixture
def model_file(tmp_path):
    """Writes a file with one model and returns its spec text."""

    def write(body, name="model.py"):
        path = tmp_path / name
        path.write_text(f"import torch\nfrom torch import nn\n\n\ndef build():\n    {body}\n")
        return f"python:{path}:build"

    return write


@pytest.fixture
def data_file(tmp_path):
    """Writes an .npz and returns its path."""

    def write(**arrays):
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


GOOD_X, GOOD_Y = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32), np.arange(24) % 3
LINEAR = "return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "demo:nope"}, r"unknown model 'demo:nope'; choose from demo:digits-resnet"),
        ({"model": "nothing"}, r"model 'nothing' has no known form; write it like one of"),
        ({"data": "demo:nope"}, r"unknown data set 'demo:nope'; choose from demo:digits"),
        ({"observers": ("mean",)}, r"unknown observer 'mean'; choose from .*min_max"),
        ({"weight_formats": ("int9",)}, r"unknown format 'int9'; choose from .*int8"),
        ({"mode": "magic"}, r"unknown mode 'magic'; choose from .*static"),
        (
            {"method": "guess"},
            r"unknown method 'guess'; choose from .*one_at_a_time",
        ),
        ({"metric": "bleu"}, r"unknown metric 'bleu'"),
        ({"weight_granularity": "per_moon"}, r"unknown granularity 'per_moon'"),
        ({"samples": 0}, r"samples = 0: .*greater than or equal to 1"),
        ({"batch_size": -1}, r"batch_size = -1"),
        ({"observers": ("mse", "mse")}, r"observers names one value twice: mse, mse"),
        ({"device": "tpu"}, r"device = 'tpu'"),
        ({"layers": "layer9.*"}, r"no layer matches --layers 'layer9.\*'; layers are: conv1"),
        ({"observers": ("percentile:percentile=200",)}, r"percentile"),
    ],
)
def test_wrong_settings(values, message, tmp_path):
    with pytest.raises(InputError, match=message):
        sweep(tmp_path, **({"model": "demo:digits-resnet", "data": "demo:digits", "samples": 8} | values))


def test_whole_names_are_matched_never_parts(tmp_path):
    result = sweep(tmp_path, model="demo:digits-resnet", data="demo:digits", samples=8, layers="conv1")
    assert [row["layer"] for row in result["layers"]] == ["conv1"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_named(bad, model_file, data_file, tmp_path):
    x = GOOD_X.copy()
    x[7, 2] = bad
    with pytest.raises(DataError, match=rf"data.npz: sample 7 holds {bad}; remove or repair it"):
        sweep(tmp_path, model=model_file(LINEAR), data=data_file(x=x, y=GOOD_Y))


def test_weights_that_are_not_finite_name_their_layer(model_file, data_file, tmp_path):
    body = "m = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)); nn.init.constant_(m[1].weight, float('nan')); return m"
    with pytest.raises(ModelError, match=r"layer 1: its weight holds NaN or Inf"):
        sweep(tmp_path, model=model_file(body), data=data_file(x=GOOD_X, y=GOOD_Y))


def test_a_wrong_shape_tells_expected_and_got(model_file, data_file, tmp_path):
    with pytest.raises(ModelError, match=r"failed at 0, Linear\(in_features=4.*given float32 \(\d+, 5\)"):
        sweep(tmp_path, model=model_file(LINEAR), data=data_file(x=np.zeros((24, 5), np.float32), y=GOOD_Y))


def test_uint8_into_a_float_model_tells_the_way_out(model_file, data_file, tmp_path):
    with pytest.raises(ModelError, match=r"uint8 \(\d+, 4\); store x as float or normalise it in forward"):
        sweep(tmp_path, model=model_file(LINEAR), data=data_file(x=np.ones((24, 4), np.uint8), y=GOOD_Y))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GOOD_X}, r"metric accuracy needs labels and the data have none; add labels \(y\) or use --metric agr"),
        ({"x": GOOD_X[:0], "y": GOOD_Y[:0]}, r"the set is empty"),
        ({"x": GOOD_X, "y": GOOD_Y[:5]}, r"24 inputs and 5 labels"),
        ({"images": GOOD_X}, r"has no array 'x' \(it has: none\)|has no array 'x'"),
        ({"x": GOOD_X, "y": GOOD_Y + 7}, r"labels go from 7 to 9, but the output has 3 classes"),
        ({"x": GOOD_X, "y": GOOD_X[:, 0]}, r"labels are fractions, no class numbers; use --metric mean_squared_error"),
    ],
)
def test_wrong_data(arrays, message, model_file, data_file, tmp_path):
    with pytest.raises(DataError, match=message):
        sweep(tmp_path, model=model_file(LINEAR), data=data_file(**arrays))


def test_missing_and_broken_files(model_file, data_file, tmp_path):
    with pytest.raises(DataError, match=r"data file '.*nowhere.npz' does not exist"):
        sweep(tmp_path, model=model_file(LINEAR), data=str(tmp_path / "nowhere.npz"))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"not a zip archive")
    with pytest.raises(DataError, match=r"broken.npz can't be read"):
        sweep(tmp_path, model=model_file(LINEAR), data=str(broken))
    with pytest.raises(ModelError, match=r"python file .* does not exist"):
        sweep(tmp_path, model=f"python:{tmp_path}/absent.py:build", data=data_file(x=GOOD_X, y=GOOD_Y))


def test_pickled_arrays_are_refused(model_file, tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([{"a": 1}, None], dtype=object), y=np.zeros(2, int))
    with pytest.raises(DataError, match=r"objects.npz can't be read"):
        sweep(tmp_path, model=model_file(LINEAR), data=str(path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return nn.Sequential(nn.ReLU(), nn.Flatten())", r"no quantizable layer \(it has Flatten, ReLU"),
        ("return 3", r"returned int; return an nn.Module"),
        ("raise ValueError('no such checkpoint')", r"failed with ValueError: no such checkpoint"),
        (
            "m = nn.Sequential(nn.Linear(4, 3)); nn.init.constant_(m[0].weight, 1e38); return m",
            r"FP32 output of 0 holds NaN or Inf",
        ),
    ],
)
def test_wrong_models(body, message, model_file, data_file, tmp_path):
    with pytest.raises(ModelError, match=message):
        sweep(tmp_path, model=model_file(body), data=data_file(x=np.full((24, 4), 10, np.float32), y=GOOD_Y))


def test_a_python_file_without_the_callable_lists_what_it_has(model_file, data_file, tmp_path):
    text = model_file(LINEAR).replace(":build", ":make")
    with pytest.raises(ModelError, match=r"has no callable 'make'; it has: build"):
        sweep(tmp_path, model=text, data=data_file(x=GOOD_X, y=GOOD_Y))


def test_more_samples_than_there_are_is_said(model_file, data_file, tmp_path):
    result = sweep(tmp_path, model=model_file(LINEAR), data=data_file(x=GOOD_X, y=GOOD_Y), samples=1000)
    assert result["baseline"]["samples"] == 18
    assert any("1000 evaluation samples were asked for; all 18" in note for note in result["notes"])


def test_overlap_between_two_given_sets_is_counted_and_told(model_file, data_file, tmp_path):
    data = data_file(x=GOOD_X, y=GOOD_Y)
    result = sweep(tmp_path, model=model_file(LINEAR), data=data, calibration_data=data)
    assert any("24 of 24 evaluation samples are in the calibration set too" in note for note in result["notes"])


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_bit_identical_after_a_sweep(fails, monkeypatch, tmp_path):
    """Also after one that fails in the middle."""
    kept = {}
    load = qdash.sweep.prepare.workload.load_model

    def remember(spec):
        kept["model"], notes = load(spec)
        kept["before"] = copy.deepcopy(kept["model"])
        return kept["model"], notes

    monkeypatch.setattr(qdash.sweep.prepare.workload, "load_model", remember)
    values = {"model": "demo:digits-mobilenet", "data": "demo:digits", "samples": 24, "weight_formats": ("int4",)}
    if fails:
        monkeypatch.setattr(
            "qdash.methods.one_at_a_time.OneAtATime._output", lambda *_: (_ for _ in ()).throw(RuntimeError("boom"))
        )
        with pytest.raises(RuntimeError, match="boom"):
            sweep(tmp_path, **values)
    else:
        sweep(tmp_path, **values)
    model, before = kept["model"], kept["before"]
    assert dict(model.named_modules()).keys() == dict(before.named_modules()).keys()
    for name, value in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert not any("forward" in vars(m) or m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert model.state_dict().keys() == before.state_dict().keys()


def test_unknown_names_are_input_errors_with_exit_code_2():
    assert UnknownNameError("observer", "x", ["a"]).exit_code == SpecError("x").exit_code == 2
