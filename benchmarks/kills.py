"""Kills at random moments of worker, child and command line: nothing that was found is lost or found twice.

python -m benchmarks.kills --kills 20 --seed 0
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VICTIMS = ("worker", "child", "command line")
SWEEP = ("--model", "demo:digits-resnet", "--data", "demo:digits", "--batch-size", "32")
LIMIT_S = 300.0
LATEST_S = 6.0  # after the start of the run; by then most runs are in their middle
_CLIENT = "from qdash import home; from qdash.jobs import client"
OWN = ("run_id", "cost", "seconds")  # what two runs of the same sweep may differ in


@dataclass(frozen=True)
class Kill:
    """victim: who was killed, after how many seconds, in which state the run was. lost, doubled: scores."""

    victim: str
    after_s: float
    where: str
    lost: int
    doubled: int
    equal: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 where something was lost, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    kills = kill_often(chosen.kills, chosen.seed)
    line = "{:>12}  {:>7}  {:>12}  {:>6}  {:>7}  {:>5}"
    say = sys.stdout.write
    say(line.format("victim", "after s", "run was", "lost", "doubled", "equal") + "\n")
    for kill in kills:
        values = (kill.victim, f"{kill.after_s:.2f}", kill.where, kill.lost, kill.doubled, str(kill.equal))
        say(line.format(*values) + "\n")
    return int(any(kill.lost or kill.doubled or not kill.equal for kill in kills))


def kill_often(kills: int, seed: int) -> list[Kill]:
    """Each kill has a run of its own, in one home, and is compared with a run that nobody disturbed."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        whole = home.result(home.swept())
        found = [home.killed(VICTIMS[i % len(VICTIMS)], draw.uniform(0.5, LATEST_S), whole) for i in range(kills)]
        home.end_workers()
    return found


class Home:
    """A QDASH_HOME, and what is done in it in processes of their own."""

    def __init__(self, folder: Path):
        self._store = folder / "qdash.sqlite"
        self._variables = os.environ | {"QDASH_HOME": str(folder), "QDASH_NICE": "0"}
        self._variables.pop("QDASH_STORE_URL", None)

    def swept(self) -> str:
        """The id of an undisturbed run."""
        self._finished(self._started("sweep", *SWEEP))
        return self._newest()

    def killed(self, victim: str, after_s: float, whole: dict[str, Any]) -> Kill:
        """Starts a run, kills the victim, lets the run go on to its end, and compares."""
        before = self._newest()
        process = self._started("sweep", *SWEEP) if victim == VICTIMS[2] else None
        run_id = self._queued() if process is None else None
        time.sleep(after_s)
        if process is not None:
            process.kill()
            process.communicate()
            run_id = self._newest()
            if run_id == before:  # it had not begun
                run_id = self.swept()
        assert run_id is not None
        where = self._row(run_id)["status"]
        if process is None:
            self._kill(victim)
        found = self.result(self._to_the_end(run_id))
        lost, doubled = _difference(found["scores"], whole["scores"])
        return Kill(victim, after_s, where, lost, doubled, found["json"] == whole["json"])

    def result(self, run_id: str) -> dict[str, Any]:
        """{"json": what `show` prints, without what is the run's own, "scores": keys of the stored rows}."""
        shown = self._finished(self._started("show", run_id, "--json", "-"))
        with closing(sqlite3.connect(self._store)) as connection:
            query = "SELECT kind, subject, setting, batch FROM score WHERE run = ? ORDER BY 1, 2, 3, 4"
            rows = connection.execute(query, (run_id,)).fetchall()
        return {"json": _shared(json.loads(shown)), "scores": rows}

    def end_workers(self) -> None:
        """Ends what `_queued` has started."""
        self._kill(VICTIMS[0])

    def _to_the_end(self, run_id: str) -> str:
        """A run that a worker computes goes on when somebody looks; another one is resumed."""
        until = time.monotonic() + LIMIT_S
        while (row := self._row(run_id))["status"] != "done":
            assert time.monotonic() < until, f"run {run_id} is {row['status']} after {LIMIT_S:.0f} s: {row['error']}"
            if row["attempt"] == 0:
                self._finished(self._started("resume", run_id))
            elif row["status"] in ("queued", "running"):
                self._python(f"{_CLIENT}; client.ensure_worker(home.store_url())")
            else:  # its child was killed: that is a failure of the job, which a person resumes
                self._python(f"{_CLIENT}; client.resume(home.store_url(), {run_id!r})")
            time.sleep(0.5)
        return run_id

    def _queued(self) -> str:
        """The id of a run that a worker computes."""
        spec = {"model": SWEEP[1], "data": SWEEP[3], "batch_size": int(SWEEP[5])}
        return self._python(
            f"{_CLIENT}; from qdash.store.store import Store; from qdash.store.runs import NewRun; "
            "from qdash.spec.sweep import SweepSpec; "
            f"spec = SweepSpec(**{spec!r}); store = Store.open(); "
            "run = store.runs.create(NewRun('sweep', spec.model_dump_json(), model=spec.model, data=spec.data)); "
            "client.enqueue(home.store_url(), run); print(run)"
        ).strip()

    def _kill(self, victim: str) -> None:
        with closing(sqlite3.connect(self._store)) as connection:
            workers = [row[0] for row in connection.execute("SELECT pid FROM worker")]
        for worker in workers:
            for pid in _children(worker) if victim == VICTIMS[1] else [worker]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _row(self, run_id: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self._store)) as connection:
            connection.row_factory = sqlite3.Row
            return dict(connection.execute("SELECT status, attempt, error FROM run WHERE id = ?", (run_id,)).fetchone())

    def _newest(self) -> str:
        with closing(sqlite3.connect(self._store)) as connection:
            return str(connection.execute("SELECT id FROM run ORDER BY created DESC LIMIT 1").fetchone()[0])

    def _started(self, *arguments: str) -> "subprocess.Popen[str]":
        return self._process("-m", "qdash", *arguments)

    def _python(self, code: str) -> str:
        return self._finished(self._process("-c", code))

    def _process(self, *arguments: str) -> "subprocess.Popen[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, *arguments], env=self._variables, text=True, **pipes)

    def _finished(self, process: "subprocess.Popen[str]") -> str:
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, err[-500:]
        return out


def _children(pid: int) -> list[int]:
    """Of a process; as Linux tells it."""
    text = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for task in text.parents[1].glob("*/children") for child in task.read_text().split()]
    return found if text.exists() else []


def _difference(found: list[Any], whole: list[Any]) -> tuple[int, int]:
    """(scores that are missing, scores that are too many)."""
    return len(set(whole) - set(found)), len(found) - len(set(found) & set(whole))


def _shared(value: Any) -> Any:
    """Without what two runs of the same sweep may differ in."""
    if isinstance(value, dict):
        return {name: _shared(part) for name, part in value.items() if name not in OWN}
    return [_shared(part) for part in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
