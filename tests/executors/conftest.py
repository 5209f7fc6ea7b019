"""A home of its own for each test."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)
    monkeypatch.setenv("QDASH_NICE", "0")  # the time limits of tests hold on a busy machine too
