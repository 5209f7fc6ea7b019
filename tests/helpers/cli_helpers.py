"""The command line as another program runs it."""

import subprocess
import sys
from typing import Any


def qdash(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """`python -m qdash …` to its end, with what it wrote."""
    command = [sys.executable, "-m", "qdash", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
