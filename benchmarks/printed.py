"""Runs a Python command in a process of its own, on one thread, and reads the JSON that it prints."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.running import ROOT


def printed(arguments: Sequence[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """arguments: after `python`; variables: laid over the environment."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"} | dict(variables)
    environment.pop("QDASH_STORE_URL", None)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
