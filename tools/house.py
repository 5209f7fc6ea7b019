"""The house in figures: `python tools/house.py` prints them with their places; `--check` fails where a limit is passed.

The rules look at qdash/, app.py and pages/ by their syntax trees: nothing is imported, the standard library is enough.
A rule names its figure and its limit, and its docstring says what counts.
"""

import argparse
import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LONGEST_FUNCTION, LONGEST_FILE, MOST_PARAMETERS, MOST_ANY = 40, 250, 7, 12
# What a docstring says of a shape: a list of axes such as "(N, C)", a word for it, or "the same as" something.
SHAPES = re.compile(
    r"\([\w.…*×+/−-]+( [+×−] \w+)?,\)|\([\w.…*×+/−-]+(, ?[\w.…*×+/−-]+)+\)"
    r"|\b(shape[sd]?|scalars?|per|same|alike|like|elementwise|axis|axes|vectors?|matrix)\b"
)
ARRAYS = re.compile(r"\b(ndarray|NDArray|Tensor)\b")
NAMED_TUPLE = {"_fields", "_replace", "_asdict", "_make", "_field_defaults"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Figure(NamedTuple):
    """One number of the house, the limit it is held to, and where it comes from."""

    name: str
    value: float
    limit: float
    places: list[str]

    @property
    def passes_limit(self) -> bool:
        """Whether the value is above the limit."""
        return self.value > self.limit


class File:
    """A Python file: its place below the root, its lines, its syntax tree."""

    def __init__(self, root: Path, path: Path):
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.count("\n")
        self.tree = ast.parse(self.text)

    def at(self, node: ast.stmt | ast.expr, what: object) -> str:
        """A place, as editors understand it."""
        return f"{self.name}:{node.lineno} {what}"


class House:
    """The files that the rules look at."""

    def __init__(self, root: Path = ROOT):
        self.package = [File(root, path) for path in sorted((root / "qdash").rglob("*.py"))]
        self.files = [
            *self.package,
            *(File(root, path) for path in (root / "app.py", *sorted(root.glob("pages/*.py")))),
        ]
        # (file, qualified name, node) of every function; those inside functions too.
        self.functions = [(file, name, node) for file in self.files for name, node in _functions(file.tree, "")]


Rule = Callable[[House], Iterator[str]]
RULES: dict[str, tuple[Rule, int]] = {}


def figures(house: House) -> list[Figure]:
    """All of them."""
    found = [(name, limit, list(rule(house))) for name, (rule, limit) in RULES.items()]
    return [share_of_any(house), *(Figure(name, len(places), limit, places) for name, limit, places in found)]


def counted(name: str, limit: int = 0) -> Callable[[Rule], Rule]:
    """Decorator: the number of places that the rule finds is a figure."""

    def add(rule: Rule) -> Rule:
        RULES[name] = rule, limit
        return rule

    return add


def share_of_any(house: House) -> Figure:
    """Words `Any` per 1,000 lines of the package; the places are the ten files with the most."""
    words = Counter({file.name: len(re.findall(r"\bAny\b", file.text)) for file in house.package})
    share = 1000 * words.total() / max(1, sum(file.lines for file in house.package))
    return Figure("Any per 1,000 lines", share, MOST_ANY, [f"{name} {n}" for name, n in words.most_common(10) if n])


@counted("loose modules", limit=7)
def loose_modules(house: House) -> Iterator[str]:
    """Modules in the package's root that no folder holds; `.importlinter` gives seven of them a floor."""
    return (f.name for f in house.package if f.name.count("/") == 1 and not f.name.endswith("__.py"))


@counted(f"functions over {LONGEST_FUNCTION} lines")
def long_functions(house: House) -> Iterator[str]:
    """From `def` to the last line, docstring included, decorators not. Migrations stay as they were written."""
    for file, name, node in house.functions:
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > LONGEST_FUNCTION and "/migrations/versions/" not in file.name:
            yield file.at(node, f"{name} {lines}")


@counted(f"files over {LONGEST_FILE} lines")
def long_files(house: House) -> Iterator[str]:
    """All lines count."""
    return (f"{file.name} {file.lines}" for file in house.files if file.lines > LONGEST_FILE)


@counted(f"functions with more than {MOST_PARAMETERS} parameters")
def many_parameters(house: House) -> Iterator[str]:
    """All but `self` and `cls`; commands of Typer are exempt, their parameters are the options of the command line."""
    for file, name, node in house.functions:
        number = sum(a.arg not in ("self", "cls") for a in _parameters(node))
        if number > MOST_PARAMETERS and not any("typer." in text for text in _annotations(node)):
            yield file.at(node, f"{name} {number}")


@counted("private imports")
def private_imports(house: House) -> Iterator[str]:
    """`from qdash.x import _y`, `from qdash._x import y`, and `x._y` where `x` was imported from the package.

    What named tuples have is public: `_fields` is called so only to keep out of the way of the fields.
    """
    for file in house.files:
        imported = set()
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("qdash"):
                imported |= {alias.asname or alias.name for alias in node.names}
                parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
                yield from (file.at(node, part) for part in parts if _is_private(part))
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Attribute) and _is_private(node.attr) and ast.unparse(node.value) in imported:
                yield file.at(node, ast.unparse(node))


@counted("public functions over arrays whose docstring gives no shapes")
def shapeless(house: House) -> Iterator[str]:
    """Those whose annotations name arrays or tensors; `SHAPES` is what counts as one.

    A method is described by its class too, and by the same method of those classes of the package that it is built on.
    Laws are exempt: what a test makes is read where it is made.
    """
    classes = {node.name: node for file in house.package for node in file.tree.body if isinstance(node, ast.ClassDef)}
    for file, name, node in house.functions:
        told = f"{ast.get_docstring(node)} {_described(name, classes)}"
        public = not any(part.startswith(("_", "<")) for part in name.split("."))
        held = public and "/testing/" not in file.name and any(map(ARRAYS.search, _annotations(node)))
        if held and not SHAPES.search(told):
            yield file.at(node, name)


@counted("class names defined twice")
def twins(house: House) -> Iterator[str]:
    """Public classes of one name in several places of the package; private ones belong to their file."""
    places = defaultdict(list)
    for file in house.package:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef) and not _is_private(node.name):
                places[node.name].append(file.at(node, node.name))
    return (place for found in places.values() if len(found) > 1 for place in found)


@counted("members named outside their file")
def named_elsewhere(house: House) -> Iterator[str]:
    """A registered name compared (`==`, `!=`, `in`, `case`) in another file than its member's.

    Comparisons of a `kind` are exempt: a run may be of the kind "qat", which is no member then.
    """
    registered = [(pattern, file.name) for file in house.package for pattern in _registered(file.tree)]
    for file in house.files:
        for node in _compared(file.tree):
            homes = {home for pattern, home in registered if re.fullmatch(pattern, str(node.value))}
            if homes and file.name not in homes:
                yield file.at(node, repr(node.value))


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Function):
            yield prefix + node.name, node
            yield from _functions(node, f"{prefix}{node.name}.<locals>.")
        else:
            yield from _functions(node, f"{prefix}{node.name}." if isinstance(node, ast.ClassDef) else prefix)


def _parameters(node: Function) -> list[ast.arg]:
    a = node.args
    return [p for p in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if p is not None]


def _annotations(node: Function) -> list[str]:
    annotations = [*(a.annotation for a in _parameters(node)), node.returns]
    return [ast.unparse(annotation) for annotation in annotations if annotation]


def _described(method: str, classes: dict[str, ast.ClassDef]) -> str:
    owner, _, name = method.rpartition(".")
    if owner not in classes:
        return ""
    same = [node for node in classes[owner].body if isinstance(node, Function) and node.name == name]
    own = [ast.get_docstring(node) or "" for node in (*same, classes[owner])]
    bases = [ast.unparse(base).partition("[")[0] for base in classes[owner].bases]
    return " ".join([*own, *(_described(f"{base}.{name}", classes) for base in bases)])


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLE


def _registered(tree: ast.Module) -> Iterator[str]:
    """Patterns: `register("mse")` is mse, `register(f"int{bits}")` int with any number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("REGISTRY.register"):
            parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else node.args[:1]
            yield "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"\d+" for p in parts)


def _compared(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare) and not ast.unparse(node.left).endswith("kind"):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        for side in sides:
            parts = side.elts if isinstance(side, ast.Tuple | ast.Set | ast.List) else [side]
            yield from (part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def main() -> int:
    """Exit code 1 under --check where a limit is passed."""
    parser = argparse.ArgumentParser(description="The house in figures.")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a limit is passed")
    check = parser.parse_args().check
    found = figures(House())
    for figure in found:
        sign = "✗" if figure.passes_limit else "✓"
        sys.stdout.write(f"{sign} {figure.name}: {figure.value:.3g} (at most {figure.limit:g})\n")
        sys.stdout.writelines(f"    {place}\n" for place in figure.places)
    return int(check and any(figure.passes_limit for figure in found))


if __name__ == "__main__":
    sys.exit(main())
