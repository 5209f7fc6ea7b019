"""A fresh store: on SQLite, and on PostgreSQL where QDASH_TEST_POSTGRES_URL names an empty database to use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from qdash.store.store import Store

POSTGRES_URL = os.environ.get("QDASH_TEST_POSTGRES_URL")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    if POSTGRES_URL is None:
        pytest.skip("QDASH_TEST_POSTGRES_URL is not set")
    engine = sa.create_engine(POSTGRES_URL)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return POSTGRES_URL


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store."""
    with Store.open(url) as opened:
        yield opened
