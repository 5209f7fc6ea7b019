"""Prints what a member of each family has to be, from the families' contracts: the table of `docs/adding.md`.

python -m qdash.testing.adding
"""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from qdash.registry import Member, families, family, package_of

BEGIN, END = "<!-- table: python -m qdash.testing.adding -->", "<!-- end of table -->"
EXAMPLES = {
    "datasets": "demo",
    "executors": "inline",
    "formats": "nf4",
    "granularities": "per_tensor",
    "layers": "embedding",
    "methods": "statistics",
    "metrics": "agreement",
    "models": "demo",
    "modes": "static",
    "observers": "min_max",
    "recommenders": "ranked",
    "views": "depth",
}
"""Fixed, so that a new member doesn't change the table."""


def main() -> None:
    """The table on standard output."""
    sys.stdout.write(table() + "\n")


def table() -> str:
    """A row for each family, as Markdown."""
    head = ["| Folder | Base class | To implement | May state | Laws | Example |", "|---|---|---|---|---|---|"]
    return "\n".join(head + [row(name) for name in families()])


def row(name: str) -> str:
    """Of one family."""
    classes = contracts(name)
    bases = "<br>".join(f"`{base.__name__}`" for base in classes)
    to_do = "<br>".join(implemented(base, len(classes) > 1) for base in classes)
    laws = f"`qdash.testing.{name}`: " + ", ".join(f"`{law}`" for law in laws_of(name))
    may = ", ".join(dict.fromkeys(f"`{flag}`" for base in classes for flag in flags(base)))
    return f"| `{_folder(name)}/` | {bases} | {to_do} | {may} | {laws} | `{example(name)}` |"


def contracts(name: str) -> list[type[Member]]:
    """The classes of a family's `base.py` that members are derived from: those without a class below them there."""
    module = importlib.import_module(f"{package_of(name)}.base")
    own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    members = [c for c in own if issubclass(c, Member)]
    return [c for c in members if not any(issubclass(other, c) for other in members if other is not c)]


def implemented(base: type[Member], several: bool) -> str:
    """The class variables without a default, and the abstract methods with the first sentence of their docstring."""
    names = sorted(getattr(base, "__abstractmethods__", ()), key=list(_definitions(base)).index)
    lines = [f"`{name}`: class variable, see there." for name in _stated(base) if not hasattr(base, name)]
    lines += [f"`{name}`: {_first_sentence(_definitions(base)[name])}" for name in names]
    return "<br>".join([f"*{base.__name__}*", *lines] if several else lines or ["–"])


def flags(base: type[Member]) -> list[str]:
    """The class variables of the contract that have a default; what they mean stands beside them in `base.py`."""
    return [name for name in _stated(base) if hasattr(base, name)]


def laws_of(name: str) -> list[str]:
    """The test classes of a family, read without importing them: that would need pytest."""
    text = (Path(__file__).parent / f"{name}.py").read_text()
    found = [line.removeprefix("class ").partition("(")[0] for line in text.splitlines() if "Laws(" in line]
    return [law for law in found if law.endswith("Laws") and law != "FormatLaws"]


def example(name: str) -> str:
    """A member file to begin from; the shortest where none was chosen."""
    files = {Path(inspect.getfile(entry.member)) for entry in family(name)}
    shortest = min(files, key=lambda file: (len(file.read_text()), file.name))
    return f"{_folder(name).removeprefix('qdash/')}/{EXAMPLES.get(name, shortest.stem)}.py"


def _folder(name: str) -> str:
    return package_of(name).replace(".", "/")


def _stated(base: type[Member]) -> list[str]:
    """All public class variables of the contract, those of every member left out."""
    known = {name: kind for c in base.__mro__[::-1] for name, kind in inspect.get_annotations(c).items()}
    shared = inspect.get_annotations(Member)
    return [name for name, kind in known.items() if "ClassVar" in str(kind) and name not in shared and name[0] != "_"]


def _definitions(base: type[Any]) -> dict[str, Any]:
    return {name: value for c in reversed(base.__mro__) for name, value in vars(c).items()}


def _first_sentence(value: Any) -> str:
    text = inspect.getdoc(value.fget if isinstance(value, property) else value) or ""
    first = " ".join(text.split("\n\n")[0].split()).partition(". ")[0]
    return first.removesuffix(".").removesuffix(":").replace("|", "\\|") + "."


if __name__ == "__main__":
    main()
