"""How much a job may take: `QDASH_MAX_MEMORY` and `QDASH_MAX_HOURS`, and what a machine has at most."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from qdash.errors import InputError

_UNITS = {"": 10**6, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "mib": 2**20, "gib": 2**30, "tib": 2**40}


@dataclass(frozen=True)
class JobLimits:
    """memory: resident bytes of the job's process. hours: from its start, whatever it has found by then."""

    memory: int | None = None
    hours: float | None = None

    @classmethod
    def read(cls) -> "JobLimits":
        """As the environment has them; None where it doesn't. Raises InputError where they can't be read."""
        return cls(_memory(), _hours())

    @property
    def any(self) -> bool:
        """Whether there is something to watch."""
        return self.memory is not None or self.hours is not None

    def broken_by(self, pid: int, began: float) -> str | None:
        """The reason why a process has to end, None while it may go on. began: by `time.monotonic`."""
        if self.memory is not None and (used := resident(pid)) > self.memory:
            return (
                f"it took {used / 1e6:,.0f} MB of memory, more than QDASH_MAX_MEMORY allows ({self.memory / 1e6:,.0f} "
                "MB); try a smaller --batch-size, or raise the limit"
            )
        if self.hours is not None and time.monotonic() - began > self.hours * 3600:
            return (
                f"it ran longer than QDASH_MAX_HOURS allows ({self.hours:g}); resume to go on from the last step, or "
                "raise the limit"
            )
        return None


def resident(pid: int) -> int:
    """Bytes of a process in memory; 0 where the system doesn't tell (only Linux does)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def largest_unpacked() -> int | None:
    """Bytes that a data file may unpack to: QDASH_MAX_MEMORY, else the machine's memory, None where unknown."""
    limit = _memory()
    if limit is not None or not hasattr(os, "sysconf"):
        return limit
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory() -> int | None:
    text = os.environ.get("QDASH_MAX_MEMORY", "").strip()
    if not text:
        return None
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.lower())
    if parts is None or parts[2] not in _UNITS or float(parts[1]) == 0:
        raise InputError(f"QDASH_MAX_MEMORY is {text!r}; write megabytes, or a unit with it, such as 4000 or 4GB")
    return int(float(parts[1]) * _UNITS[parts[2]])


def _hours() -> float | None:
    text = os.environ.get("QDASH_MAX_HOURS", "").strip()
    if not text:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise InputError(f"QDASH_MAX_HOURS is {text!r}; write hours, such as 2 or 0.5")
    return float(text)
