"""Home, store and logs are readable by their owner alone, new ones and those that are there."""

import os
from pathlib import Path

import pytest

from qdash import home
from qdash.faults import as_qdash_error
from qdash.store.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_made_is_the_owner_s() -> None:
    home.home().chmod(0o755)
    with Store.open():
        as_qdash_error(ValueError("x"))
        assert {mode(path) for path in (home.home(), home.artifacts(), home.logs())} == {0o700}
        files = [*home.home().glob("qdash.sqlite*"), *home.logs().iterdir()]
        assert {mode(path) for path in files if path.is_file()} == {0o600}


def test_a_store_that_is_there_becomes_private(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.sqlite'}"
    with Store.open(url):
        pass
    (tmp_path / "s.sqlite").chmod(0o644)
    with Store.open(url):
        assert mode(tmp_path / "s.sqlite") == 0o600


def test_everybody_s_folder_stays_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    home.make_private(tmp_path)
    assert mode(tmp_path) == 0o777


def test_a_file_system_without_modes_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    before = mode(tmp_path)
    monkeypatch.setattr(Path, "chmod", refuse)
    home.make_private(tmp_path)
    assert mode(tmp_path) == before
