"""`docs/adding.md` says what the contracts say, and its worked example works as it stands."""

import re
import sys
from pathlib import Path

import pytest

from qdash.observers.base import REGISTRY
from qdash.registry import families
from qdash.testing.adding import BEGIN, END, table

PAGE = (Path(__file__).parent.parent.parent / "docs" / "adding.md").read_text()
MEMBER, LAWS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_is_that_of_the_contracts():
    told = PAGE.partition(BEGIN)[2].partition(END)[0].strip()
    assert told == table(), "python -m qdash.testing.adding prints the table"


def test_every_family_has_laws():
    import qdash.testing

    files = {path.stem for path in Path(qdash.testing.__path__[0]).glob("*.py")}
    assert set(families()) <= files


def test_the_worked_example_keeps_the_laws(tmp_path, monkeypatch):
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "trimmed.py").write_text(MEMBER)
    (tmp_path / "test_trimmed.py").write_text(LAWS.replace('pytest.register_assert_rewrite("qdash.testing")\n', ""))
    monkeypatch.syspath_prepend(tmp_path)
    REGISTRY.names()  # loads what there is
    before = dict(REGISTRY._entries)
    seen = Seen()
    code = pytest.main(["-q", "-c", "/dev/null", "-p", "no:cacheprovider", str(tmp_path)], plugins=[seen])
    REGISTRY._entries.clear()
    REGISTRY._entries.update(before)
    sys.modules.pop("my_package.trimmed")
    assert code == 0
    assert seen.passed > 50


class Seen:
    """Counts what an inner pytest ran."""

    def __init__(self) -> None:
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed."""
        self.passed += report.when == "call" and report.passed
