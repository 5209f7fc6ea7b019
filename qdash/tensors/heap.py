"""Memory that one batch frees serves the next.

glibc hands large blocks back to the system at once and asks for them again, which clears every page anew: a tenth of a
sweep's CPU time (`python -m benchmarks.layouts`). Other C libraries are left as they are. How large a block may be to
come from the heap stays raised afterwards, as glibc itself raises it in time.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_IN_HEAP = 1 << 25  # what glibc allows on 64 bits
_NEVER, _USUALLY = (1 << 31) - 1, 1 << 26


@contextmanager
def reused() -> Iterator[None]:
    """Freed memory stays with the process inside the block, and goes back to the system after it."""
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _USUALLY)
        give_back()


def give_back() -> None:
    """Hands free memory to the system: after a phase whose blocks are of other sizes than those to come."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
