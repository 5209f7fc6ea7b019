"""`qdash app` as whoever has only the wheel meets it: no checkout, another folder, the project's own settings."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from cli_helpers import qdash

from qdash.jobs.client import worker_state
from qdash.store.runs import NewRun
from qdash.store.store import Store

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "app.py", "pages", ".streamlit", "qdash")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-index"]
LOOK = """
import sys
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

import qdash
from qdash.cli.dashboard import script

assert qdash.__file__.startswith(sys.argv[1]) and str(script()).startswith(sys.argv[1])
config._main_script_path = str(script())
config.get_config_options(force_reparse=True)
assert config.get_option("browser.gatherUsageStats") is False
assert config.get_option("server.address") == "127.0.0.1"
assert config.get_option("theme.light.primaryColor") == "#0072B2"
PagesManager.uses_pages_directory = False
page = AppTest.from_file(str(script()), default_timeout=60).switch_page("pages/runs.py").run()
assert not page.exception and page.title[0].value == "What has been run?", page
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a machine where only the wheel is installed, beside the libraries."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "installed"))
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run([*PIP, "wheel", "--no-build-isolation", *OFFLINE, "-w", wheels, source], check=True)
    subprocess.run([*PIP, "install", *OFFLINE, "--target", target, *wheels.glob("*.whl")], check=True)
    return os.environ | {"PYTHONPATH": str(target), "QDASH_WORKER_IDLE_S": "1"}


def test_pages_and_settings_are_those_of_the_project(installed, tmp_path):
    environment = installed | {"QDASH_HOME": str(tmp_path)}
    command = [sys.executable, "-c", LOOK, installed["PYTHONPATH"]]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_serves_the_page_and_ends_with_its_process(installed, tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'qdash.sqlite'}") as store:
        store.runs.create(NewRun("sweep", "{}", "m", "d"))  # a store with a run starts no demo
        url = store.url
    port = _free_port()
    command = [sys.executable, "-m", "qdash", "app", "--port", str(port), "--server.headless", "true"]
    log = tmp_path / "log"
    with log.open("w") as output:
        environment = installed | {"QDASH_HOME": str(tmp_path)}
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=output, stderr=output)
    try:
        assert _got(f"http://127.0.0.1:{port}/_stcore/health", process, log) == b"ok"
        assert b"<html" in _got(f"http://127.0.0.1:{port}/", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        if worker := worker_state(url).pid:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "0"], "Invalid value for '--port'"),
        (["--prot", "80"], "no such option: --prot"),
        (["--host", "192.0.2.1", "--port", "8599"], "can't listen on 192.0.2.1:8599"),
    ],
)
def test_wrong_input_is_exit_2_with_one_line(arguments, words):
    _fails_with(arguments, words)


def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _fails_with(["--port", str(port)], f"can't listen on 127.0.0.1:{port}: Address already in use")


def _fails_with(arguments: list[str], words: str) -> None:
    done = qdash("app", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _got(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bytes:
    """The body of the first answer with status 200."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())
        time.sleep(0.2)
    raise AssertionError(f"no answer from {url}: {log.read_text()}")
