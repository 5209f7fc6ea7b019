"""What a database says when it can't be used, in one line with the way out; and patience with what passes."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError

from qdash.errors import StoreTrouble

T = TypeVar("T")

PATIENCE_S = 60.0
FIRST_WAIT_S = 0.25
LOG = logging.getLogger("qdash.store")
_RESUME = "what was saved is kept; then go on with: python -m qdash resume RUN"
# What the database says, whether it may pass, and what to do.
_KNOWN = (
    ("disk is full", True, f"free some space; {_RESUME}"),
    ("No space left", True, f"free some space; {_RESUME}"),
    ("is locked", True, f"another program holds it: wait, or end that program; {_RESUME}"),
    ("unable to open", False, "its file or folder is gone or may not be read; put it back, or choose another store"),
    ("no such table", False, "it was emptied or replaced; put it back, or start again with a new one"),
    ("readonly database", False, "make the file and its folder writable, or choose another store"),
    ("malformed", False, "the file is damaged; put a copy in its place, or choose another store"),
    ("not a database", False, "the file is damaged; put a copy in its place, or choose another store"),
)


def tell_trouble(engine: sa.Engine) -> None:
    """From here on what goes wrong with the database itself is raised as StoreTrouble, a deleted file included."""
    shown = engine.url.render_as_string(hide_password=True)

    def handle(context: sa.ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if isinstance(error, DBAPIError):
            _raise_known(shown, error)

    sa.event.listen(engine, "handle_error", handle)
    if engine.dialect.name == "sqlite":
        _watch(engine, Path(str(engine.url.database)), shown)


def patiently(save: Callable[[], T]) -> T:
    """Tries again for PATIENCE_S, ever more rarely, while the trouble may pass. Raises StoreTrouble after that."""
    wait, until = FIRST_WAIT_S, time.monotonic() + PATIENCE_S
    while True:
        try:
            return save()
        except StoreTrouble as trouble:
            if not trouble.passing or time.monotonic() + wait > until:
                raise
            LOG.warning("%s; trying again in %g s", trouble, wait)
        time.sleep(wait)
        wait *= 2


def _raise_known(shown: str, error: DBAPIError) -> None:
    reason = " ".join(str(error.orig).split())[:200]
    for words, passing, remedy in _KNOWN:
        if words in reason:
            raise StoreTrouble(f"the store {shown}: {reason}; {remedy}", passing) from error
    if isinstance(error, OperationalError):
        raise StoreTrouble(f"the store {shown}: {reason}; check the disk or the server; {_RESUME}", True) from error


def _watch(engine: sa.Engine, file: Path, shown: str) -> None:
    """A deleted SQLite file can still be written by who has it open, and nobody would ever read that."""

    def inode() -> int:
        try:
            return os.stat(file).st_ino
        except OSError:
            gone = f"the store {shown} was deleted while it was in use; what was not saved elsewhere is lost"
            raise StoreTrouble(f"{gone}; start again, or put the file back") from None

    def connecting(*_: Any) -> None:
        inode()  # or the connection would make an empty file

    def connected(_connection: Any, record: Any) -> None:
        record.info["inode"] = inode()

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.setdefault("inode", inode()) != inode():
            raise InvalidatePoolError("another file has taken its place")

    sa.event.listen(engine, "do_connect", connecting)
    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "checkout", taken)
