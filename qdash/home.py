"""Where qdash keeps its store, artifacts, logs and locks: `QDASH_HOME`, else the platform's user data folder."""

import hashlib
import os
import platform
from pathlib import Path

from platformdirs import user_data_path

from qdash.errors import InputError

STORE_FILE = "qdash.sqlite"


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
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"can't make the folder {folder}: {error.strerror}; set QDASH_HOME to a writable one"
        ) from error
    return folder
