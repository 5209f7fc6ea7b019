"""Where qdash keeps its store, artifacts, logs and locks: `QDASH_HOME`, else the platform's user data folder."""

import hashlib
import os
import platform
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from qdash.errors import InputError

STORE_FILE = "qdash.sqlite"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def home() -> Path:
    """The folder that holds everything; made on first use. Raises InputError where it can't be made."""
    return _made(Path(os.environ.get("QDASH_HOME") or user_data_path("qdash", appauthor=False)).expanduser().absolute())


def store_url() -> str:
    """`QDASH_STORE_URL`, else an SQLite file in the home folder."""
    return os.environ.get("QDASH_STORE_URL") or f"sqlite:///{home() / STORE_FILE}"


def artifacts() -> Path:
    """The folder for files named by a hash of what they hold (calibration statistics), shared by all runs."""
    return _made(home() / "artifacts")


def logs() -> Path:
    """The folder for the worker's log and the traces of unexpected errors."""
    return _made(home() / "logs")


def locks(url: str) -> Path:
    """The folder for the locks of a store: beside an SQLite file, so that every process on it meets there."""
    from sqlalchemy.engine import make_url  # 0.2 s that the child of a job needn't pay

    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        return _made(Path(f"{parts.database}.locks"))
    place = f"{parts.host}:{parts.port}/{parts.database}"
    return _made(home() / "locks" / hashlib.sha256(place.encode()).hexdigest()[:12])


def host() -> str:
    """This machine's name, as the store keeps it."""
    return platform.node()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    except OSError as error:
        raise InputError(
            f"can't make the folder {folder}: {error.strerror}; set QDASH_HOME to a writable one"
        ) from error
    make_private(folder)
    return folder


def make_private(path: Path) -> None:
    """Leaves a folder or file to its owner alone: specs, names and traces are nobody else's. New ones and old ones."""
    mode = PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE
    with suppress(OSError):  # a file system without modes, or somebody else's folder that a team shares
        now = path.stat().st_mode
        if now & 0o777 & ~mode and not now & stat.S_ISVTX:  # /tmp stays everybody's
            path.chmod(now & mode)
