"""Pages in a test: a temporary home, stores filled by one small real run, and no worker."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from ui_helpers import swept_home

from qdash.jobs import client
from qdash.records.scores import Facts, Progress
from qdash.store.runs import NewRun
from qdash.store.store import Store

ROOT = Path(__file__).parents[2]
Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose store holds one finished sweep of the demo's LSTM with its measured curve."""
    values = {"weight_formats": ["int3"], "samples": 90, "batch_size": 45, "calibration_samples": 32}
    return swept_home(tmp_path_factory.mktemp("real"), "lstm", curve=True, **values)


@pytest.fixture(scope="session")
def mobilenet_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a finished sweep of the demo's MobileNet, two settings; the first one's curve is measured."""
    values = {"weight_formats": ["int4", "int8"], "weight_granularity": "per_tensor", "samples": 64}
    values |= {"batch_size": 64, "calibration_samples": 64}
    return swept_home(tmp_path_factory.mktemp("mobilenet"), "mobilenet", curve=True, **values)


@pytest.fixture
def mobilenet(home: Path, mobilenet_home: Path) -> str:
    """The store holds the finished sweep of the MobileNet; its id."""
    shutil.copytree(mobilenet_home, home)
    with Store.open() as store:
        return store.runs.list(kind="sweep")[0].id


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No worker is started; the ids of runs that a page queues are collected, and marked as the queue would."""
    ids: list[str] = []

    def enqueue(store_url: str, run_id: str, *, start_worker: bool = True) -> None:
        ids.append(run_id)
        with Store.open(store_url) as store:
            store.runs.queue(run_id)

    monkeypatch.setattr(client, "enqueue", enqueue)
    monkeypatch.setattr(client, "ensure_worker", lambda store_url: None)
    return ids


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queued: list[str]) -> Path:
    """An empty home folder."""
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)
    st.cache_resource.clear()
    st.cache_data.clear()
    return tmp_path / "home"


@pytest.fixture
def done(home: Path, real_home: Path) -> str:
    """The store holds a finished sweep; its id."""
    shutil.copytree(real_home, home)
    with Store.open() as store:
        return store.runs.list(kind="sweep")[0].id


@pytest.fixture
def failed(done: str) -> str:
    """A newer sweep has failed before it found anything; its id."""
    with Store.open() as store:
        run_id = _copy(store, done)
        store.runs.set_status(run_id, "failed", error="model 'python:net.py:build' has no callable 'build'; name one")
        return run_id


@pytest.fixture
def running(done: str) -> str:
    """A newer sweep is under way, its first batch measured; its id."""
    with Store.open() as store:
        run_id = _copy(store, done)
        store.runs.queue(run_id)
        store.runs.set_status(run_id, "running", host="elsewhere")
        first = [score for score in store.scores.read(done) if score.batch == 0]
        facts = store.runs.get(done).facts or {}
        store.save(run_id, [Facts(facts), *first, Progress("1", 50.0, 100.0, "batch 1 of 2")])
        return run_id


@pytest.fixture
def open_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a page of the app with query parameters, as a fresh browser would."""
    _as_after_the_launcher(monkeypatch)

    def opened(page: str = "overview", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
        for name, value in query.items():
            app.query_params[name] = value
        if page != "overview":
            app.switch_page(f"pages/{page}.py")
        return app.run()

    return opened


def _as_after_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest forgets before every run that st.navigation, not the folder, says what the pages are."""
    made = PagesManager.__init__

    def make(self: PagesManager, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", make)


def _copy(store: Store, run_id: str) -> str:
    run = store.runs.get(run_id)
    return store.runs.create(
        NewRun("sweep", run.spec, model=run.model, data=run.data, title="Copy", follow_up=run.follow_up)
    )
