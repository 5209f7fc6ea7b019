"""A durable run that version 0.1.0 queued and cancelled goes on in a worker of this version."""

import shutil
import time
from pathlib import Path

import pytest

from qdash import home
from qdash.jobs import client
from qdash.store.store import Store

MADE = Path(__file__).parent.parent / "store" / "made_by_0.1.0" / "home"
CANCELLED = "20261127-215740-2cff"


@pytest.fixture
def old_home(_home: None) -> None:
    """The home of this test holds what 0.1.0 left."""
    shutil.copytree(MADE, home.home(), dirs_exist_ok=True)


def test_a_cancelled_durable_run_goes_on_in_a_worker(old_home: None, store: Store) -> None:
    before = store.runs.get(CANCELLED)
    client.resume(store.url, CANCELLED)
    deadline = time.monotonic() + 90
    while not (run := store.runs.get(CANCELLED)).final:
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
    assert (run.status, run.error, run.attempt) == ("done", None, before.attempt + 1)
    layers = [score for score in store.scores.read(CANCELLED) if score.kind == "layer"]
    assert len(layers) == 12 * len(before.facts["layers"])
