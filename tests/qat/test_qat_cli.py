"""`qat` and `sweep --mode qat` on the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cli_helpers import qdash_here
from safetensors import safe_open

from qdash.jobs.steps import run_inline
from qdash.store.store import Store

SWEEP = ["--model", "demo:digits-mobilenet", "--data", "demo:digits", "--samples", "64", "--weight-format", "int4"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(environment, id) of one small sweep in a home of its own."""
    environment = os.environ | {"QDASH_HOME": str(tmp_path_factory.mktemp("cli"))}
    done = qdash_here("sweep", *SWEEP, "--activation-format", "int4", "--json", "-", env=environment)
    assert done.returncode == 0, done.stderr
    return environment, json.loads(done.stdout)["run_id"]


def test_a_plan_is_tuned_and_its_weights_written(swept, tmp_path):
    environment, run = swept
    out = tmp_path / "weights.safetensors"
    arguments = ["--keep", "conv_stem, classifier", "--steps", "10", "--learned-scale", "--out", str(out)]
    done = qdash_here("qat", run, *arguments, "--json", "-", env=environment)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["keep_fp32"] == ["conv_stem", "classifier"]
    assert result["parent"] == run
    assert result["training"]["steps"] == len(result["curve"]) == 10
    assert result["training"]["learned_scale"] is True
    assert result["weights_file"] == str(out)
    with safe_open(out, framework="pt") as file:
        assert "blocks.0.conv_pw.weight" in file.keys()  # noqa: SIM118
    shown = qdash_here("show", result["run_id"], "--json", "-", env=environment)
    assert json.loads(shown.stdout)["qat"] == result["qat"]
    again = qdash_here("resume", result["run_id"], env=environment)
    assert again.returncode == 2
    assert "is done" in again.stderr


def test_it_says_for_a_person_what_was_won_back(swept):
    environment, run = swept
    done = qdash_here("qat", run, "--keep", "", "--steps", "4", env=environment)
    assert done.returncode == 0, done.stderr
    for words in ("fine-tuned", "won back", "weights:", "4 of 4 steps"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--keep", "nope"], "layer 'nope' is not in this run"),
        (["--steps", "0"], "steps = '0'"),
        (["--loss", "guess"], "loss = 'guess'"),
        (["--setting", "none"], "has no setting 'none'"),
        (["--out", "/nowhere/w.safetensors", "--steps", "2"], "can't write '/nowhere/w.safetensors'"),
    ],
)
def test_wrong_input_is_exit_2_with_one_line(arguments, words, swept):
    environment, run = swept
    done = qdash_here("qat", run, *arguments, env=environment)
    assert done.returncode == 2
    assert words in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr + done.stdout


def test_labels_that_are_not_there_are_exit_2(tmp_path, swept):
    model = tmp_path / "model.py"
    model.write_text("from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Linear(4, 3))\n")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    data = ["--model", f"python:{model}:build", "--data", str(tmp_path / "x.npz"), "--metric", "agreement"]
    done = qdash_here("sweep", *data, "--mode", "qat:loss=labels", env=swept[0])
    assert done.returncode == 2
    assert "loss=labels needs labels and the training data have none" in done.stderr


def test_interrupted_training_goes_on_where_it_stood(swept, monkeypatch):
    environment, run = swept
    command = [sys.executable, "-m", "qdash", "qat", run, "--keep", "", "--steps", "5000"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        run_id = process.stderr.readline().split()[-1]
        deadline = time.monotonic() + 60
        while trained(environment, run_id) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"resume {run_id}" in said
    before = trained(environment, run_id)
    monkeypatch.setenv("QDASH_HOME", environment["QDASH_HOME"])
    checks = iter(range(20))
    with _store(environment) as store:
        run_inline(store, run_id, should_stop=lambda: next(checks, None) is None)
        assert trained(environment, run_id) > before
        steps = [score.batch for score in store.scores.read(run_id) if score.kind == "training"]
    assert steps == list(range(len(steps)))


def trained(environment, run_id):
    with _store(environment) as store:
        return sum(score.kind == "training" for score in store.scores.read(run_id))


def _store(environment):
    return Store.open(f"sqlite:///{environment['QDASH_HOME']}/qdash.sqlite")
