"""Standard output belongs to the command: what a model prints goes to standard error."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Inside the block, of Python code and of C code alike, what is buffered included."""
    _flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, AttributeError, TypeError):  # where the C library can't be asked
        ctypes.CDLL(None).fflush(None)
