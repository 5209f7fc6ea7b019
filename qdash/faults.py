"""Unexpected errors: one line with a reference for a person, the full trace in a file."""

import errno
import secrets
import traceback

from qdash.errors import QdashError
from qdash.home import logs, make_private


def as_qdash_error(error: BaseException) -> QdashError:
    """The error itself if it is of our tree, else a QdashError whose reference names the file with the trace."""
    if isinstance(error, QdashError):
        return error
    if _disk_is_full(error):
        return QdashError(f"the disk is full ({_one_line(error)}); free some space and resume: what was saved is kept")
    return QdashError(f"unexpected {type(error).__name__}: {_one_line(error)}; {_kept_trace(error)}")


def _disk_is_full(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "No space left on device" in str(error)  # as libraries that write by themselves tell it


def _kept_trace(error: BaseException) -> str:
    """Where the trace lies; what was to be told matters more than that it can be kept."""
    reference = secrets.token_hex(4)
    try:
        path = logs() / f"error-{reference}.txt"
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        make_private(path)
    except (OSError, QdashError) as unkept:
        return f"its trace could not be kept ({_one_line(unkept)})"
    return f"reference {reference}, trace in {path}"


def _one_line(error: BaseException, limit: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
