"""The worker process: `python -m qdash.jobs.worker`; it computes queued runs one at a time and leaves when idle."""

import sys
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_TIMEOUT_S = 1.0  # whoever looks whether the lock is held holds it for a moment


def main(arguments: list[str]) -> int:
    """Serves the store of QDASH_STORE_URL. `arguments`: the lock's file, by whoever starts the worker."""
    # First the lock, then the slow imports: who starts a worker waits for the lock.
    lock = FileLock(arguments[0] if arguments else _lock_file())
    try:
        lock.acquire(timeout=LOCK_TIMEOUT_S)
    except Timeout:
        return 0  # the store has its worker
    from qdash.jobs.service import serve

    serve(lock)
    return 0


def _lock_file() -> Path:
    from qdash import home
    from qdash.jobs.client import worker_lock

    return worker_lock(home.store_url())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
