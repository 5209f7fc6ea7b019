"""The command line as another program sees it: exit codes, one line on stderr, JSON alone on standard output."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cli_helpers import qdash, qdash_here

from qdash.spec.sweep import SweepSpec
from qdash.store.store import Store

SWEEP = ["sweep", "--model", "demo:digits-resnet", "--data", "demo:digits"]
TINY = ["--samples", "4", "--calibration-samples", "8", "--layers", "fc"]
WRONG = ["sweep", "--modell", "x"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(environment, JSON) of one small sweep in a home of its own."""
    environment = os.environ | {"QDASH_HOME": str(tmp_path_factory.mktemp("cli"))}
    done = qdash(*SWEEP, "--samples", "64", "--weight-format", "int4", "--json", "-", env=environment)
    assert done.returncode == 0, done.stderr
    return environment, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "No such command"),
        (["sweep", "--model", "demo:digits-resnet"], "Missing option '--data'"),
        (WRONG, "No such option: --modell"),
        (["sweep", "--model", "demo:x", "--data", "demo:digits"], "choose from demo:digits-resnet"),
        ([*SWEEP, "--observer", "mean"], "unknown observer 'mean'; choose from"),
        ([*SWEEP, "--samples", "many"], "valid integer"),
        ([*SWEEP, *TINY, "--json", "/nowhere/out.json"], "can't write"),
        (["list", "cheeses"], "unknown family 'cheeses'; choose from"),
        (["show", "never"], "never"),
        (["recommend", "never"], "never"),
        (["resume", "never"], "never"),
        (["cancel", "never"], "never"),
        (["runs", "--store", "mysql://x"], "mysql"),
    ],
)
def test_wrong_input_is_exit_2_with_one_line_and_no_trace(arguments, words):
    done = qdash_here(*arguments)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert words in last
    assert last.startswith("error: ")
    assert "Traceback" not in done.stderr + done.stdout


def test_a_process_ends_as_the_command_did():
    done, here = qdash(*WRONG), qdash_here(*WRONG)
    assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def test_without_a_command_the_help_is_printed():
    done = qdash()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout
    assert "recommend" in done.stdout


def test_help_of_every_command():
    for command in ("list", "sweep", "runs", "show", "recommend", "qat", "resume", "cancel"):
        done = qdash_here(command, "--help")
        assert done.returncode == 0
        assert "--json" in done.stdout, command


def test_a_sweep_has_an_option_for_every_field_of_its_spec():
    told = " ".join(qdash_here("sweep", "--help").stdout.split())
    for name, field in SweepSpec.model_fields.items():
        singular = name.removesuffix("s") if isinstance(field.default, tuple) else name
        assert f" --{singular.replace('_', '-')} " in told
        assert field.description in told.replace("- ", "-")


def test_help_and_list_don_t_import_torch():
    code = (
        "import sys, contextlib, io\n"
        "from qdash.cli.app import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    run(['--help']); run(['sweep', '--help']); [run(['list', f]) for f in sys.argv[1:]]\n"
        "assert not {'torch', 'streamlit', 'pandas', 'scipy', 'dbos'} & set(sys.modules)\n"
    )
    families = ["observers", "formats", "granularities", "metrics", "methods", "models", "datasets", "executors"]
    done = subprocess.run([sys.executable, "-c", code, *families, "modes", "layers", "recommenders"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("family", ["observers", "formats", "modes", "methods", "recommenders", "models", "datasets"])
def test_list_json_follows_the_contract(family):
    described = json.loads(qdash_here("list", family, "--json", "-").stdout)
    assert described["family"] == family
    for member in described["members"]:
        assert set(member) == {"name", "help", "options", "examples"}
        assert member["help"]
        assert member["examples"]
        for option in member["options"]:
            assert set(option) == {"name", "type", "default", "choices", "help"}


def test_sweep_json_stands_alone_on_standard_output_and_show_repeats_it(swept):
    environment, result = swept
    shown = json.loads(qdash("show", result["run_id"], "--json", "-", env=environment).stdout)
    assert shown == result
    assert result["baseline"]["metric"] == "accuracy"
    assert 90 < result["baseline"]["value"] <= 100
    assert result["cost"]["forward_equivalents"] > 1
    assert result["cost"]["peak_rss_mb"] > 10


def test_runs_lists_it_and_latest_finds_it(swept):
    environment, result = swept
    runs = json.loads(qdash_here("runs", "--json", "-", env=environment).stdout)["runs"]
    assert result["run_id"] in [run["run_id"] for run in runs]
    done = qdash_here("show", "latest", env=environment)
    assert done.returncode == 0
    assert "most sensitive first" in done.stdout


def test_recommend_measures_the_frontier_once(swept):
    environment, result = swept
    arguments = ("recommend", result["run_id"], "--max-drop", "3", "--json", "-")
    first = qdash_here(*arguments, env=environment)
    found = json.loads(first.stdout)
    assert set(found) >= {"run_id", "keep_fp32", "max_drop_points", "verdict", "frontier"}
    assert [p["k"] for p in found["frontier"]] == list(range(len(result["layers"]) + 1))
    assert found["frontier"][0]["value"] == pytest.approx(result["all_quantized"]["value"])
    assert found["frontier"][-1]["delta"] == 0
    for point in found["frontier"]:
        assert set(point) >= {"k", "layers", "value", "delta", "low", "high", "size_mb", "samples"}
    again = qdash_here("recommend", "latest", *arguments[2:], env=environment)  # of sweeps, not of what was measured
    assert json.loads(again.stdout) == found
    assert "measuring" not in again.stderr


LONG = [*SWEEP, "--samples", "300", "--batch-size", "16", "--json"]


def interrupted(home, how):
    """The id of a sweep that got a signal once it had found something; it keeps that and says how to go on."""
    environment = os.environ | {"QDASH_HOME": str(home)}
    command = [sys.executable, "-m", "qdash", *LONG, str(home / "out.json")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    run_id = process.stderr.readline().split()[-1]
    deadline = time.monotonic() + 60
    with Store.open(f"sqlite:///{home}/qdash.sqlite") as store:
        while not store.runs.get(run_id).done and time.monotonic() < deadline:
            time.sleep(0.05)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"python -m qdash resume {run_id}" in errors
    stopped = json.loads(qdash_here("runs", "--json", "-", env=environment).stdout)["runs"][0]
    assert (stopped["status"], stopped["run_id"]) == ("interrupted", run_id)
    return run_id


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_command_like_ctrl_c(tmp_path, how):
    assert interrupted(tmp_path, how)


def test_interrupt_keeps_what_is_done_and_resume_goes_on(tmp_path):
    run_id, environment = interrupted(tmp_path, signal.SIGINT), os.environ | {"QDASH_HOME": str(tmp_path)}
    resumed = qdash_here("resume", run_id, "--json", "-", env=environment)
    assert resumed.returncode == 0, resumed.stderr
    whole = qdash_here(*LONG, "-", env=environment)
    with_pause, without = json.loads(resumed.stdout), json.loads(whole.stdout)
    for first, second in zip(with_pause["layers"], without["layers"], strict=True):
        assert first["layer"] == second["layer"]
        assert first["model_output_kl"] == second["model_output_kl"]
        assert first["samples"] == second["samples"] == 300
