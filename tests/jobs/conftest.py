"""A home and a store for jobs; whatever worker a test started is ended by its process id."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from qdash import home
from qdash.jobs import client
from qdash.store.store import Store


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)
    monkeypatch.setenv("QDASH_NICE", "0")  # the time limits of tests hold on a busy machine too
    monkeypatch.setenv("QDASH_WORKER_IDLE_S", "60")


@pytest.fixture
def store() -> Iterator[Store]:
    """The store of the home folder."""
    with Store.open() as opened:
        yield opened
        _end_workers(opened)
    client._opened_store.cache_clear()
    client._opened_client.cache_clear()


def _end_workers(store: Store) -> None:
    deadline = time.monotonic() + 5
    for worker in store.workers.list():
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
    lock = client.worker_lock(home.store_url())
    while client._held(lock) and time.monotonic() < deadline:
        for worker in store.workers.list():  # one may have announced itself only now
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.05)
