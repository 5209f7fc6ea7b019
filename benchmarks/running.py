"""Runs one contestant in a process of its own, on a fixed number of cores, and reads the row it prints."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.environments import missing, python_of
from benchmarks.materials import FOLDER_VARIABLE
from benchmarks.peer_scripts.common import THREADS_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """Where a run happens. environments: the peers' folder; materials: the model's and samples'."""

    environments: Path
    materials: Path
    threads: int = 1
    limit_s: float = 1800.0


def run(contestant: Contestant, place: Place) -> dict[str, Any]:
    """The script's row, with `process_cpu_s` of the whole process; `{"failed": reason}` where there is none."""
    if contestant.environment is not None:
        reason = missing(place.environments, contestant.environment)
        if reason is not None:
            return {"failed": reason}
        python = str(python_of(place.environments, contestant.environment))
    else:
        python = sys.executable
    module = f"benchmarks.peer_scripts.{contestant.script}"
    before = _children_cpu_s()
    try:
        done = subprocess.run(
            [python, "-m", module, *contestant.arguments],
            cwd=ROOT,
            env=_environment(place),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=place.limit_s,
            preexec_fn=lambda: _limit_cores(place.threads),
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {place.limit_s:.0f} s"}
    row = _row(done.stdout)
    if done.returncode != 0 or row is None:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing was printed"]
        return {"failed": lines[-1].strip()[:300]}
    return row | {"process_cpu_s": _children_cpu_s() - before}


def _environment(place: Place) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    threads = dict.fromkeys(_THREAD_VARIABLES, str(place.threads))
    ours = {FOLDER_VARIABLE: str(place.materials), THREADS_VARIABLE: str(place.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    return kept | threads | ours


def _limit_cores(count: int) -> None:
    """Thread pools that no variable reaches have no core to run on either."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _row(output: str) -> dict[str, Any] | None:
    """The last line that is a row: tools print what they like before and after."""
    for line in reversed(output.splitlines()):
        if line.startswith('{"version"'):
            return json.loads(line)
    return None
