"""Bad input over the command line: exit 2, one line with culprit and way out, no run left, the next command works."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from qdash.cli.app import run
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.testing import tiny

SWEEP = ["sweep", "--model", tiny.MODEL, "--data", tiny.DATA]
WRONG_OPTIONS = [
    (["--observer", "mean"], "mean"),
    (["--observer", "mse,mse"], "mse"),
    (["--observer", ""], "observer"),
    (["--observer", "percentile:percentile=101"], "percentile"),
    (["--observer", "percentile:share=2"], "share"),
    (["--observer", "mse:"], "mse"),
    (["--weight-format", "int1"], "int1"),
    (["--weight-format", "float32x"], "float32x"),
    (["--weight-format", ""], "weight"),
    (["--weight-format", "int8,int8"], "int8"),
    (["--activation-format", "int0"], "int0"),
    (["--activation-format", "int8,int8"], "int8"),
    (["--activation-format", "int8;int4"], "int8;int4"),
    (["--weight-granularity", "per_row"], "per_row"),
    (["--weight-granularity", "per_group:size=0"], "size"),
    (["--weight-granularity", "per_group:size=many"], "size"),
    (["--activation-granularity", "per_channel"], "per_channel"),
    (["--activation-granularity", "per_moon"], "per_moon"),
    (["--weight-scheme", "odd"], "odd"),
    (["--activation-scheme", "odd"], "odd"),
    (["--mode", "fast"], "fast"),
    (["--mode", "qat:steps=0"], "steps"),
    (["--mode", "qat:steps=x"], "steps"),
    (["--mode", "qat:epochs=1"], "epochs"),
    (["--mode", "qat:loss=most"], "most"),
    (["--method", "guess"], "guess"),
    (["--method", "statistics", "--until-decided"], "until"),
    (["--metric", "loss"], "loss"),
    (["--metric", "mean_squared_error", "--until-decided"], "until"),
    (["--mode", "weight_only", "--include", "functional"], "functional"),
    (["--include", "everything"], "include"),
    (["--samples", "0"], "samples"),
    (["--samples", "-3"], "samples"),
    (["--samples", "many"], "samples"),
    (["--samples", "1.5"], "samples"),
    (["--calibration-samples", "0"], "calibration"),
    (["--calibration-samples", "x"], "calibration-samples"),
    (["--batch-size", "0"], "batch"),
    (["--batch-size", "-1"], "batch"),
    (["--batch-size", ""], "batch"),
    (["--calibration-batch-size", "0"], "calibration"),
    (["--seed", "-1"], "seed"),
    (["--seed", str(2**64)], "seed"),
    (["--seed", "1e3"], "seed"),
    (["--device", "tpu"], "device"),
    (["--device", "cuda:x"], "device"),
    (["--device", ""], "device"),
    (["--memory-format", "odd"], "memory"),
    (["--tolerance", "0"], "tolerance"),
    (["--tolerance", "100"], "tolerance"),
    (["--tolerance", "nan"], "tolerance"),
    (["--tolerance", "x"], "tolerance"),
    (["--executor", "moon"], "moon"),
    (["--layers", "nothing.*"], "nothing"),
    (["--layers", "cnv"], "cnv"),
    (["--class-axis", "x"], "class-axis"),
    (["--class-axis", "9"], "9"),
    (["--output", "9"], "9"),
    (["--ignore-label", "x"], "ignore-label"),
    (["--weights", "/nowhere/weights.pt"], "weights.pt"),
    (["--weights", "/"], "/"),
    (["--calibration-data", "nowhere.npz"], "nowhere.npz"),
    (["--calibration-data", "demo:nothing"], "nothing"),
    (["--training-data", "odd"], "odd"),
    (["--store", "mysql://x"], "mysql"),
    (["--store", "sqlite://"], "memory"),
    (["--store", "x"], "store"),
    (["--store", "sqlite:////dev/null/x.sqlite"], "/dev/null"),
    (["--json", "/nowhere/out.json"], "/nowhere"),
    (["--json", "/"], "folder"),
    (["--json", "/dev/null/out.json"], "/dev/null"),
    (["--nope"], "--nope"),
    (["--samples"], "--samples"),
    (["extra"], "extra"),
]
WRONG_MODELS = [
    "demo:nothing",
    "demo:",
    "nothing",
    "python:",
    "python:qdash",
    "python:nowhere.py:model",
    "python:qdash.nowhere:model",
    "python:qdash.testing.tiny:nothing",
    "python:qdash.testing.tiny:SAMPLES",
    "python:qdash.testing.tiny:samples",
    "python:json:dumps",
    "python:qdash.testing.tiny:",
    "python::model",
    "a.onnx",
    "http://somewhere/model",
]
WRONG_DATA = [
    "demo:nothing",
    "demo:",
    "nothing",
    "nowhere.npz",
    "nowhere.safetensors",
    "python:",
    "python:nowhere.py:samples",
    "python:qdash.testing.tiny:nothing",
    "python:qdash.testing.tiny:LAYERS",
    "python:qdash.testing.tiny:model",
    "python:json:dumps",
    "a.csv",
    "/",
]
WRONG_COMMANDS = [
    (["nope"], "nope"),
    (["--nope"], "--nope"),
    (["sweep"], "--model"),
    (["sweep", "--data", tiny.DATA], "--model"),
    (["sweep", "--model", tiny.MODEL], "--data"),
    (["sweep", "--model", "", "--data", tiny.DATA], "model"),
    (["sweep", "--model", tiny.MODEL, "--data", ""], "data"),
    (["list"], "FAMILY"),
    (["list", "cheeses"], "cheeses"),
    (["list", "formats", "--json", "/nowhere/x"], "/nowhere"),
    (["runs", "--limit", "0"], "limit"),
    (["runs", "--limit", "x"], "limit"),
    (["runs", "more"], "more"),
    (["show"], "RUN"),
    (["show", "never"], "never"),
    (["show", ""], "''"),
    (["resume"], "RUN"),
    (["resume", "never"], "never"),
    (["resume", "latest", "--executor", "x"], "--executor"),
    (["cancel"], "RUN"),
    (["cancel", "never"], "never"),
    (["recommend"], "RUN"),
    (["recommend", "never"], "never"),
    (["recommend", "latest"], "no run"),
    (["recommend", "latest", "--max-drop", "-1"], "max-drop"),
    (["recommend", "latest", "--max-drop", "x"], "max-drop"),
    (["recommend", "latest", "--max-fp32", "-1"], "max-fp32"),
    (["recommend", "latest", "--max-size", "-1"], "max-size"),
    (["qat"], "RUN"),
    (["qat", "never"], "never"),
    (["qat", "latest", "--steps", "x"], "steps"),
    (["qat", "latest", "--out", "/nowhere/w.safetensors"], "/nowhere"),
    (["app", "--port", "0"], "port"),
    (["app", "--port", "x"], "port"),
    (["app", "--nope"], "--nope"),
]
ARRAYS = {"x": np.zeros((8, 1, 6, 6), np.float32), "y": np.zeros(8, np.int64)}
WRONG_FILES = {
    "empty.npz": b"",
    "text.npz": b"x,y\n1,2\n",
    "cut.npz": b"PK\x03\x04" + bytes(200),
    "empty.safetensors": b"",
    "text.safetensors": b"hello there, this is text",
    "claims.safetensors": struct.pack("<Q", 2**60) + b"{}",
    "other.npz": {"a": ARRAYS["x"]},
    "none.npz": {},
    "objects.npz": {"x": np.array([None, {}], object)},
    "words.npz": {"x": np.array(["a", "b"])},
    "scalar.npz": {"x": np.float32(1)},
    "nothing.npz": {"x": ARRAYS["x"][:0], "y": ARRAYS["y"][:0]},
    "shorter.npz": ARRAYS | {"y": ARRAYS["y"][:3]},
    "labels.npz": ARRAYS | {"y": ARRAYS["y"] + 77},
    "wide.npz": {"x": np.zeros((8, 3, 6, 6), np.float32), "y": ARRAYS["y"]},
    "unlabelled.npz": {"x": ARRAYS["x"]},
    "nan.npz": ARRAYS | {"x": ARRAYS["x"] * np.nan},
}
WRONG_WEIGHTS = {
    "empty.pt": b"",
    "text.pt": b"these are no weights\n",
    "cut.pt": b"PK\x03\x04" + bytes(100),
    "array.pt": b"\x93NUMPY" + bytes(100),
    "keras.pt": b"\x89HDF" + bytes(100),
    "pointer.pt": b"version https://git-lfs.github.com/spec/v1\n",
    "claims.safetensors": struct.pack("<Q", 2**60) + b"{}",
}


def refused(capfd, arguments, culprit):
    """The line on stderr, after everything that holds for every refusal was checked."""
    code = run(arguments)
    out, err = capfd.readouterr()
    assert code == 2, (code, err)
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert culprit.lower() in line.lower()
    assert "trace in" not in line
    assert out == ""
    with Store.open() as store:
        assert store.runs.list(limit=None) == []
    assert run(["runs", "--json", "-"]) == 0
    assert json.loads(capfd.readouterr().out) == {"runs": []}


@pytest.mark.parametrize(("options", "culprit"), WRONG_OPTIONS, ids=lambda value: str(value)[:50])
def test_an_option_is_refused(capfd, options, culprit):
    refused(capfd, [*SWEEP, *options], culprit)


@pytest.mark.parametrize("model", WRONG_MODELS)
def test_a_model_is_refused(capfd, model):
    refused(capfd, ["sweep", "--model", model, "--data", tiny.DATA], _culprit(model))


@pytest.mark.parametrize("data", WRONG_DATA)
def test_data_is_refused(capfd, data):
    refused(capfd, ["sweep", "--model", tiny.MODEL, "--data", data], _culprit(data))


@pytest.mark.parametrize(("arguments", "culprit"), WRONG_COMMANDS, ids=lambda value: str(value)[:50])
def test_a_command_is_refused(capfd, arguments, culprit):
    refused(capfd, arguments, culprit)


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_data_file_is_refused(capfd, tmp_path, name):
    path, content = tmp_path / name, WRONG_FILES[name]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **content)
    refused(capfd, ["sweep", "--model", tiny.MODEL, "--data", str(path)], "")


@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_a_weights_file_is_refused(capfd, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WRONG_WEIGHTS[name])
    refused(capfd, [*SWEEP, "--weights", str(path)], name)


def _culprit(text: str) -> str:
    """The last file or name that the text is made of."""
    module, _, name = text.rpartition(":")
    return Path(module.rpartition(":")[2]).name if module.endswith(".py") else Path(name).name


def test_there_are_at_least_120():
    cases = (WRONG_OPTIONS, WRONG_MODELS, WRONG_DATA, WRONG_COMMANDS, WRONG_FILES, WRONG_WEIGHTS)
    assert sum(map(len, cases)) >= 120


def test_a_run_that_was_not_made_by_the_refused_command_stays(capfd):
    with Store.open() as store:
        spec = '{"model": "demo:nothing", "data": "demo:digits"}'
        run_id = store.runs.create(NewRun("sweep", spec, model="demo:nothing", data="demo:digits"))
    assert run(["resume", run_id]) == 2
    with Store.open() as store:
        assert store.runs.get(run_id).status == "failed"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told_before_the_work(capfd, tmp_path):
    tmp_path.chmod(0o500)
    refused(capfd, [*SWEEP, "--json", str(tmp_path / "out.json")], "may not be written")
