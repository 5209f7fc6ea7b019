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
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _USUALLY)
        libc.malloc_trim(0)
