"""What README says holds: its commands run as printed, its table is that of `--help`, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import qdash_here

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.replace("\\\n", " ") for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]
START, CHECK = BLOCKS[:2]
DEMO, OWN = (next(block for block in BLOCKS if word in block) for word in ("qdash list", "python:"))
PAGES = ["README.md", "CHANGELOG.md", "benchmarks/README.md", "examples/README.md"]
PAGES += ["CONTRIBUTING.md", "findings/README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
INVENTED = {"qdash/observers/trimmed.py"}  # the worked example of docs/adding.md
MODEL = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
"""
WEIGHTS = (
    "from model import build; from safetensors.torch import save_model; save_model(build(), 'weights.safetensors')"
)


@pytest.fixture(scope="module")
def commands() -> set[str]:
    """The names that `--help` lists."""
    listed = qdash_here("--help").stdout.partition("Commands:")[2]
    return set(re.findall(r"^  (\w+)", listed, re.MULTILINE))


def test_it_starts_and_is_checked_in_one_line_each():
    assert START.endswith("pip install -r requirements.txt && streamlit run app.py\n")
    assert CHECK.endswith("pip install -r requirements-dev.txt && pytest\n")
    assert (ROOT / "app.py").is_file()


def test_the_table_has_every_command_and_no_other(commands):
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)", row)} == commands


def test_every_option_it_names_is_one_of_a_command(commands):
    section = README[README.index("## The command line") : README.index("## What is quantized")]
    known = {option for name in commands for option in re.findall(r"--[\w-]+", qdash_here(name, "--help").stdout)}
    assert set(re.findall(r"--[a-z][\w-]+", section)) <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_it_names_exist(page):
    named = re.findall(r"`((?:\w[\w.-]*/)+(?:\w+\.\w+)?)`", (ROOT / page).read_text(encoding="utf-8"))
    bases = [ROOT, ROOT / "qdash", (ROOT / page).parent]
    missing = [path for path in named if path not in INVENTED and not any((base / path).exists() for base in bases)]
    assert not missing


def test_classes_that_the_architecture_names_exist():
    package = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "qdash").rglob("*.py"))
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][a-z]\w+)(?:\.\w+)?`", text))
    assert named
    assert not named - set(re.findall(r"^class (\w+)", package, re.MULTILINE))


@pytest.mark.slow
def test_the_demo_s_commands_run_as_printed(tmp_path):
    observers, sweep, recommend = (_done(line, tmp_path) for line in DEMO.splitlines())
    assert "percentile" in observers
    assert "most sensitive first" in sweep
    assert "FP32" in recommend


@pytest.mark.slow
def test_a_sweep_of_one_s_own_model_runs_as_printed(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    subprocess.run([sys.executable, "-c", WEIGHTS], cwd=tmp_path, check=True)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 4)).astype(np.float32), random.integers(3, size=60)
    np.savez(tmp_path / "samples.npz", x=x, y=y)
    assert "covered: 2 layers" in _done(OWN.strip(), tmp_path)


def _done(line: str, folder: Path) -> str:
    """What a line of README prints, in that folder and with that folder as home."""
    program, *arguments = shlex.split(line)
    assert program == "python"
    environment = os.environ | {"QDASH_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
