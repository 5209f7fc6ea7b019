"""Files that several processes make and share: there whole or not at all, and made again where they are damaged."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qdash.errors import QdashError

_PARTIAL = ".partial"
_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    StopIteration,
)


class UnreadableArtifact(QdashError):
    """What lies under an artifact's name isn't what was written there."""


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Gives the name to write to; what lies there takes the place of `path` once it is safe on the disk.

    The name is this call's own, so two writers of one artifact don't meet. What an exception left is removed.
    """
    partial = path.with_name(f"{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}{path.suffix}")
    try:
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        if path.is_dir():  # nothing of ours; a file can't take its place
            path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}.aside"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def reading(path: Path, *failures: type[Exception]) -> Iterator[None]:
    """Turns `failures` and all that damaged bytes raise in a parser into UnreadableArtifact.

    FileNotFoundError stays what it is.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (*_FAILURES, *failures) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:120] or type(error).__name__
        raise UnreadableArtifact(f"{path.name} can't be read ({reason})") from error


def usable(read: Callable[[], object], notes: list[str]) -> bool:
    """Whether `read` finds an artifact. A damaged one counts as absent, and `notes` gets a line about it."""
    try:
        read()
    except FileNotFoundError:
        return False
    except UnreadableArtifact as error:
        notes.append(f"{error}; it was made again")
        return False
    return True


def parts_of(path: Path) -> list[Path]:
    """The artifact and what writers that were killed left of it, as far as they are there."""
    beside = path.parent.glob(f"{path.stem}.*{_PARTIAL}{path.suffix}")
    return [found for found in (path, *beside) if found.is_file()]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    with suppress(OSError):  # some file systems can't; the file itself is safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
