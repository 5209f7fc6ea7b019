"""Unexpected errors: one line with a reference for a person, the full trace in a file."""

import dis
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


def is_of_foreign_code(error: BaseException) -> bool:
    """Whether a model or a data set failed by it: any exception, `sys.exit()`, an interrupt that it raised itself.

    A signal's interrupt strikes between two instructions, or in a handler of ours; a `raise` is an instruction.
    """
    if isinstance(error, Exception):
        return True
    trace = error.__traceback__
    if not isinstance(error, KeyboardInterrupt | SystemExit) or trace is None:
        return not isinstance(error, GeneratorExit)
    while trace.tb_next is not None:
        trace = trace.tb_next
    if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "qdash":
        return False
    raised = trace.tb_frame.f_code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return raised or isinstance(error, SystemExit)


def described(error: BaseException) -> str:
    """What a fault of foreign code says, on one line; how it ended where it says nothing."""
    if isinstance(error, SystemExit):
        return f"it ended the program (sys.exit({error.code!r})); raise an error instead"
    if isinstance(error, KeyboardInterrupt):
        return "it raised KeyboardInterrupt; raise another error instead"
    return _one_line(error) or type(error).__name__
