"""Unexpected errors: one line with a reference for a person, the full trace in a file."""

import dis
import secrets
import traceback

from qdash.errors import QdashError
from qdash.home import logs


def as_qdash_error(error: BaseException) -> QdashError:
    """The error itself if it is of our tree, else a QdashError whose reference names the file with the trace."""
    if isinstance(error, QdashError):
        return error
    reference = secrets.token_hex(4)
    path = logs() / f"error-{reference}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return QdashError(f"unexpected {type(error).__name__}: {_one_line(error)}; reference {reference}, trace in {path}")


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
