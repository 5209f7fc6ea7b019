"""The plan of the house, where import-linter can't see it."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "qdash"
WITH_TORCH = {"tensors", "instrument", "engine", "sweep", "demo"}
WITH_TORCH |= {"testing"}  # which only tests import


def top_imports(path: Path) -> set[str]:
    """The packages that importing a file imports, those of type checkers left out."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def test_torch_is_imported_on_top_only_where_tensors_live():
    with_torch = {path for path in PACKAGE.rglob("*.py") if "torch" in top_imports(path)}
    assert {path.relative_to(PACKAGE).parts[0] for path in with_torch} == WITH_TORCH


def test_only_the_screen_imports_streamlit():
    with_streamlit = {path for path in PACKAGE.rglob("*.py") if "streamlit" in top_imports(path)}
    assert {path.relative_to(PACKAGE).parts[0] for path in with_streamlit} == {"ui"}
