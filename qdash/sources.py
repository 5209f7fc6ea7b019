"""Sources named by text: `prefix:rest` or a file name with a known ending."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from qdash.errors import InputError, SpecError
from qdash.faults import described, is_of_foreign_code
from qdash.registry import Member, Registry

S = TypeVar("S", bound=Member)


class SourceRegistry(Registry[S]):
    """A family whose members are chosen by the form of a text; they declare `prefix` or `suffixes` and take `text`."""

    def create(self, text: str) -> S:
        """Raises SpecError with the forms that are understood."""
        for entry in self:
            prefix = getattr(entry.member, "prefix", "")
            suffixes = getattr(entry.member, "suffixes", ())
            if (prefix and text.startswith(prefix + ":")) or (suffixes and text.lower().endswith(suffixes)):
                return entry.create(text=text)
        forms = ", ".join(example for entry in self for example in entry.describe()["examples"])
        raise SpecError(f"{self.family[:-1]} {text!r} has no known form; write it like one of: {forms}")

    def absolute(self, text: str) -> str:
        """The same text with file paths made absolute, so that it means the same from any folder."""
        return str(getattr(self.create(text), "text", text))


def absolute_path(text: str) -> str:
    """A path as it can be stored: absolute, `~` expanded."""
    return str(Path(text).expanduser().absolute())


def existing_file(text: str, what: str, error: type[Exception]) -> Path:
    """The path, or `error` that says what is missing."""
    path = Path(text)
    if not path.is_file():
        raise error(f"{what} {text!r} does not exist or is not a file; check the path")
    return path


def absolute_text(text: str, error: type[Exception]) -> str:
    """`python:…` with the file's path made absolute; raises `error` where a part is missing."""
    module, name = _parts(text, error)
    return f"python:{absolute_path(module) if module.endswith('.py') else module}:{name}"


def source_file(text: str) -> Path | None:
    """The file that defines the callable, where it is named by file."""
    module = text.split(":", 1)[1].rpartition(":")[0]
    return Path(module) if module.endswith(".py") else None


def call(text: str, error: type[InputError]) -> Any:
    """Imports the module and calls the callable without arguments; raises `error` with one line."""
    module_text, name = _parts(text, error)
    try:
        module = _module(module_text, error)
        function = getattr(module, name, None)
        if not callable(function):
            names = ", ".join(sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))[:12])
            raise error(f"{module_text} has no callable {name!r}; it has: {names or 'none'}")
        return function()
    except InputError:
        raise
    except BaseException as problem:
        if not is_of_foreign_code(problem):
            raise
        raise error(f"{text} failed with {type(problem).__name__}: {described(problem)}") from problem


def _parts(text: str, error: type[Exception]) -> tuple[str, str]:
    module, _, name = text.removeprefix("python:").rpartition(":")
    if not module or not name.isidentifier():
        raise error(f"{text!r} is not python:MODULE:CALLABLE or python:FILE.py:CALLABLE")
    return module, name


def _module(text: str, error: type[InputError]) -> ModuleType:
    if not text.endswith(".py"):
        return importlib.import_module(text)
    path = Path(text)
    if not path.is_file():
        raise error(f"python file {text!r} does not exist; check the path")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == text:
        return loaded
    name = path.stem if loaded is None else f"qdash_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise error(f"{text!r} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up by name
    spec.loader.exec_module(module)
    return module
