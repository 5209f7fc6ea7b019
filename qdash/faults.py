"""Unexpected errors: one line with a reference for a person, the full trace in a file."""

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
