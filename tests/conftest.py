"""Every test has a home of its own; threads that wait don't spin; which tests `pytest -m quick` runs."""

import gc
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections import Counter
from pathlib import Path

import pytest

pytest.register_assert_rewrite("qdash.testing")  # so that a broken law shows its values

TESTS = Path(__file__).parent
# What starts processes, sweeps whole models or draws whole pages; single tests are marked `slow` where they stand.
SLOW = (
    "benchmarks",
    "browser",
    "cli/test_cli.py",
    "cli/test_dashboard.py",
    "engine/test_calibration_memory.py",
    "engine/test_device.py",
    "engine/test_gradient.py",
    "engine/test_macs.py",
    "executors",
    "jobs",
    "qat/test_layers_alone.py",
    "qat/test_plan.py",
    "qat/test_qat_cli.py",
    "qat/test_trainable.py",
    "qat/test_zoo_learns.py",
    "real",
    "store/test_made_by_0_1_0.py",
    "sweep/test_bad_input.py",
    "sweep/test_equal_settings.py",
    "sweep/test_format_sweeps.py",
    "sweep/test_sweep.py",
    "sweep/test_until_decided.py",
    "ui",
    "views",
    "zoo",
)
FEW = 2  # cases of a parametrized test that are quick


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Slow files aren't even imported where only quick tests are asked for: that would take as long as the tests."""
    return True if config.option.markexpr == "quick" and _is_slow(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as quick: all but what is slow, and of a parametrized test the first few cases."""
    cases = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if not item.get_closest_marker("slow") and not _is_slow(item.path) and cases[test] <= FEW:
            item.add_marker("quick")


@pytest.fixture(autouse=True, scope="module")
def imports_stay():
    """Streamlit collects garbage after every page, and needn't look through torch and Plotly each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory, monkeypatch):
    """A fresh QDASH_HOME, so that no test sees a store of another or of the user's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("QDASH_HOME", str(home))
    monkeypatch.delenv("QDASH_STORE_URL", raising=False)
    return home


def _is_slow(path: Path) -> bool:
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix().startswith(SLOW)
