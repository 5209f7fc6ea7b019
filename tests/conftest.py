"""Every test has a home of its own; threads that wait don't spin."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

pytest.register_assert_rewrite("qdash.testing")  # so that a broken law shows its values


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory, monkeypatch):
    """A fresh QDASH_HOME, so that no test sees a store of another or of the user's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("QDASH_HOME", str(home))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)
    return home
