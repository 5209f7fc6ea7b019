"""A job without a model, that does what it is told: how many steps, how long they take, and how they go wrong."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qdash.errors import DataError, InputError, UnknownNameError
from qdash.executors.base import ShouldStop
from qdash.records.scores import Facts, Progress, Record, Score

KIND = "qdash.testing.work:RehearsedWork"
LAYERS_PER_STEP = 4


class OddInputError(InputError):
    """A class that only the child can import."""


class RehearsedWork:
    """spec: {"steps", "seconds" per step, "fail": {"at": step, "how": …}, "log": a file that gets a line per step,
    "refuse": whether opening it fails}."""

    def __init__(self, spec: str, artifacts: str):
        self._spec: dict[str, Any] = json.loads(spec)
        self._artifacts = Path(artifacts)
        if self._spec.get("refuse"):
            raise DataError("the samples have no labels; give y")

    def advance(self, position: str | None, should_stop: ShouldStop) -> Iterator[Record]:
        """One step, of a score for each of four layers."""
        step, done = int(position or 0), 0
        self._note(step)
        if step == 0:
            yield Facts({"pid": os.getpid(), "layers": LAYERS_PER_STEP})
        if self._spec.get("fail", {}).get("at") == step:
            _fail(self._spec["fail"]["how"])
        for layer in range(LAYERS_PER_STEP):
            if should_stop():
                break
            time.sleep(self._spec.get("seconds", 0) / LAYERS_PER_STEP)
            sys.stdout.write("a model may print\n")
            yield _score(step, layer)
            done += 1
        step += done == LAYERS_PER_STEP
        finished = step == self._spec["steps"]
        yield Progress(None if finished else str(step), step, self._spec["steps"], f"step {step}")

    def close(self) -> None:
        """Nothing stays open."""

    def _note(self, step: int) -> None:
        if "log" in self._spec:
            with open(self._spec["log"], "a") as log:
                log.write(f"{step} {os.getpid()}\n")


def _score(step: int, layer: int) -> Score:
    rng = np.random.default_rng([step, layer])
    sums = {"noise": float(rng.normal()), "signal": float("inf") if layer == 0 else 1.0}
    return Score("layer", f"layer{layer}", "setting", step, sums, {"correct": rng.random(8).astype("float32")})


def _fail(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "unknown name":
        raise UnknownNameError("observer", "mean", ["min_max", "mse"])
    if how == "odd":
        raise OddInputError("odd input")
    raise ValueError("a surprise\nover two lines")
