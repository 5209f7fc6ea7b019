"""Where each peer's virtual environment lies, what is pinned in it, and why one is missing."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

TORCH = "torch==2.13.0"
_READY = "qdash_benchmark_ready"


@dataclass(frozen=True)
class Environment:
    """One virtual environment: its pins, and packages to take out again after the installation."""

    pins: tuple[str, ...]
    removed: tuple[str, ...] = ()


ENVIRONMENTS = {
    "modelopt": Environment(("nvidia-modelopt[torch]==0.47.0", "requests", "huggingface_hub")),  # its wheel misses two
    # AIMET imports torchvision, of which a build for another torch can't be loaded: scripts put a stand-in there.
    "aimet": Environment(("aimet-torch==2.42.0",), removed=("torchvision",)),
    "onnxruntime": Environment(("onnxruntime==1.32.0", "onnx==1.23.2", "onnxscript==0.7.2")),
    "ppq": Environment(("ppq==0.6.6", "numpy<2", "protobuf==3.20.3", "onnx==1.16.2", "setuptools<80")),
    "mct": Environment(("model-compression-toolkit==2.6.1",)),
    "nncf": Environment(("nncf==3.4.0", "openvino==2026.4.1")),
}


def default_folder() -> Path:
    """Under the platform's cache folder."""
    return user_cache_path("qdash", appauthor=False) / "benchmark_environments"


def python_of(folder: Path, name: str) -> Path:
    """The interpreter of an environment, made or not."""
    return folder / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def missing(folder: Path, name: str) -> str | None:
    """Why an environment can't be used, in one line; None where it can."""
    if (folder / name / _READY).exists():
        return None
    log = folder / f"{name}.log"
    if not log.exists():
        return f"no environment; make it with: python -m benchmarks.setup {name}"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["the log is empty"]
    return f"the installation failed: {errors[-1][:200]} (whole log: {log})"


def make(folder: Path, name: str) -> str | None:
    """Makes one environment; afterwards the same answer as `missing`."""
    folder.mkdir(parents=True, exist_ok=True)
    environment, place, python = ENVIRONMENTS[name], folder / name, str(python_of(folder, name))
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [python, "-m", "pip", "install", "--quiet", TORCH, *environment.pins],
    ]
    if environment.removed:
        commands.append([python, "-m", "pip", "uninstall", "--quiet", "--yes", *environment.removed])
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        done = all(subprocess.run(command, stdout=log, stderr=log).returncode == 0 for command in commands)
    if done:
        (place / _READY).write_text("\n".join((TORCH, *environment.pins)) + "\n", encoding="utf-8")
    return missing(folder, name)
