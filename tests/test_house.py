"""The plan of the house, where import-linter can't see it, and its figures: the limits stand in tools/house.py."""

import ast
from pathlib import Path

import pytest

from tools import house

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


HELD = ("Any per 1,000 lines", *house.RULES)
SINS = """
from typing import Any
import numpy as np
from qdash.b import _hidden
from qdash import b


class Twin:
    name = "twin"


def many(a, b, c, d, e, f, g, h: Any): ...


def command(a, b, c, d, e, f, g, h: "typer.Option"): ...


def shapeless(x: np.ndarray) -> float:
    \"""A number.\"""
    return 0.0 if b._secret == "mse" or x in ("int4", "free") else 1.0


def described(x: np.ndarray) -> float:
    \"""One number for x (rows, columns).\"""


def long():
"""
MEMBERS = """
@REGISTRY.register("mse")
class Twin:
    def own(self):
        return self.name == "mse"


REGISTRY.register(f"int{bits}")(Twin)
"""


@pytest.fixture(scope="module")
def figures() -> dict[str, house.Figure]:
    return {figure.name: figure for figure in house.figures(house.House())}


@pytest.mark.parametrize("name", HELD)
def test_a_figure_of_the_house_keeps_its_limit(name, figures):
    assert not figures[name].passes_limit, figures[name].places


def test_every_rule_finds_what_it_names_and_where(tmp_path):
    (tmp_path / "qdash").mkdir()
    (tmp_path / "app.py").write_text("")
    (tmp_path / "qdash" / "a.py").write_text(SINS + "    x = 0\n" * 300)
    (tmp_path / "qdash" / "b.py").write_text(MEMBERS)
    found = {figure.name: [place.partition(" ")[2] for place in figure.places] for figure in _figures(tmp_path)}
    assert found == {
        "Any per 1,000 lines": ["2"],
        "loose modules": ["", ""],
        "functions over 40 lines": ["long 301"],
        "files over 250 lines": [str(SINS.count("\n") + 300)],
        "functions with more than 7 parameters": ["many 8"],
        "private imports": ["_hidden", "b._secret"],
        "public functions over arrays whose docstring gives no shapes": ["shapeless"],
        "class names defined twice": ["Twin", "Twin"],
        "members named outside their file": ["'mse'", "'int4'"],
    }


def _figures(root: Path) -> list[house.Figure]:
    return house.figures(house.House(root))
