"""The command line as another program runs it, and as this one does."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from qdash.cli.app import run


def qdash(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """`python -m qdash …` to its end, with what it wrote."""
    command = [sys.executable, "-m", "qdash", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def qdash_here(*arguments: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """The same without a process of its own, which spends seconds on imports; env: instead of this one's."""
    with patch.dict(os.environ, env or {}), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
