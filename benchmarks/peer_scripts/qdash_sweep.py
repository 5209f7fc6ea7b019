"""qdash in two ways: its engine in this process, imports done and model in memory, and the command as a user runs it.

The settings are those of the naive loop: static, min-max ranges from the same images, int8 weights per channel.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import materials
from benchmarks.peer_scripts.common import Clock, show, threads

ENGINE_MODEL, ENGINE_DATA = "python:benchmarks.materials:model", "python:benchmarks.materials:samples"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", action="store_true", help="run `python -m qdash sweep` instead of the engine")
    parser.add_argument("--method", default="one_at_a_time")
    parser.add_argument("--tolerance", type=float, help="points: measure until decided")
    parser.add_argument("--memory-format", default="auto")
    parser.add_argument("--usual-heap", action="store_true", help="freed memory goes back to the system, as usual")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.command:
            result, clock = command(given.method, given.tolerance, Path(folder))
        else:
            if given.usual_heap:
                _leave_the_heap()
            result, clock = engine(given.method, given.tolerance, Path(folder), given.memory_format)
    _show(result, clock)


def _leave_the_heap() -> None:
    from contextlib import nullcontext

    import qdash.sweep.works.batched

    qdash.sweep.works.batched.reused = nullcontext


def engine(
    method: str, tolerance: float | None, folder: Path, memory_format: str = "auto"
) -> tuple[dict[str, Any], Clock]:
    """The sweep's result; the clock starts after all imports, with model and samples in memory."""
    import torch

    from qdash.spec.checked import checked
    from qdash.spec.sweep import SweepSpec

    torch.set_num_threads(threads())
    shared = {"model": ENGINE_MODEL, "data": ENGINE_DATA, "calibration_data": ENGINE_DATA, **_settings()}
    shared |= {
        "method": method,
        "memory_format": memory_format,
        "until_decided": tolerance is not None,
        "tolerance": tolerance or 1.0,
    }
    warm_up = checked(SweepSpec, **shared | {"layers": "fc", "samples": 2, "calibration_samples": 2})
    with tempfile.TemporaryDirectory() as elsewhere:  # a calibration kept for the sweep would be free
        _swept(warm_up, Path(elsewhere), Clock())  # whatever is imported late is imported now
    clock = Clock()
    return _swept(checked(SweepSpec, **shared), folder, clock), clock


def command(method: str, tolerance: float | None, folder: Path) -> tuple[dict[str, Any], Clock]:
    """The result of `python -m qdash sweep … --json -` in a fresh home; the clock holds the child's whole CPU time."""
    source, facts = os.environ[materials.FOLDER_VARIABLE], materials.facts()
    networks, data = Path(materials.__file__).with_name("models.py"), f"{source}/{materials.SAMPLES}"
    arguments = ["--model", f"python:{networks}:{facts['network']}", "--weights", f"{source}/{materials.WEIGHTS}"]
    arguments += ["--data", data, "--calibration-data", data, "--method", method, "--json", "-"]
    for name, value in _settings().items():
        text = value[0] if isinstance(value, tuple) else str(value)
        arguments += [f"--{name.removesuffix('s').replace('_', '-')}", text]
    if tolerance is not None:
        arguments += ["--until-decided", "--tolerance", str(tolerance)]
    environment = os.environ | {"QDASH_HOME": str(folder)}
    environment.pop("QDASH_STORE_URL", None)
    whole = [sys.executable, "-m", "qdash", "sweep", *arguments]
    done = subprocess.run(whole, env=environment, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(done.returncode)  # its last line on stderr says why
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), Clock({"command": used.ru_utime + used.ru_stime})


def _settings() -> dict[str, Any]:
    size = int(materials.facts()["batch_size"])
    return {"observers": ("min_max",), "batch_size": size, "calibration_batch_size": size, "device": "cpu"}


def _swept(spec: Any, folder: Path, clock: Clock) -> dict[str, Any]:
    from qdash.executors.base import build_work
    from qdash.records.facts import read_facts
    from qdash.records.scores import Facts, Progress, Score
    from qdash.results.plain import as_tree
    from qdash.results.sweep import sweep_result
    from qdash.results.tally import Tallies

    found: dict[str, Any] = {}
    scores, macs, position = [], 0.0, "start"
    with clock.part("engine"):
        work = build_work("sweep", spec.model_dump_json(), str(folder))
        while position is not None:
            for record in work.advance(position, lambda: False):
                if isinstance(record, Facts):
                    found = dict(record.values)
                elif isinstance(record, Score):
                    scores.append(record)
                elif isinstance(record, Progress):
                    position, macs = record.position, macs + record.spent["macs"]
        work.close()
    with clock.part("result"):
        shown: dict[str, Any] = as_tree(
            sweep_result("benchmark", spec, read_facts(found), Tallies(scores), {"macs": macs})
        )
        return shown


def _show(result: dict[str, Any], clock: Clock) -> None:
    import qdash

    rows, measured = result["layers"], result["baseline"]["samples"]
    by = "model_output_kl" if all(row["model_output_kl"] is not None for row in rows) else "model_output_sqnr_db"
    sign = 1 if by == "model_output_kl" else -1
    share = sum(row["samples"] for row in rows) / (len(rows) * measured)
    forwards = result["cost"]["forward_equivalents"]
    kind = "estimated" if rows[0]["estimated"] else "exact"
    answer = "KL of the model's output, nats" if sign > 0 else "SQNR of the model's output, dB"
    show(
        qdash.__version__,
        clock,
        {row["layer"]: sign * float(row[by]) for row in rows},
        f"{answer}; {kind}",
        f"{forwards:.1f} forwards, counted",
        measured_share=share,
    )


if __name__ == "__main__":
    main()
