"""Families and their members: a member is added by adding one file to the family's folder."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qdash.errors import SpecError, UnknownNameError

_ROOT = Path(__file__).parent


class Frozen(BaseModel):
    """Immutable, checked at birth, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Member(Frozen):
    """One choice of a family: its fields are its options, its docstring is its help."""

    name: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def help(cls) -> str:
        """The docstring as one paragraph."""
        return " ".join((cls.__doc__ or "").split())


M = TypeVar("M", bound=Member)


class Entry(Generic[M]):
    """A registered name: the class and the fields that the name fixes."""

    def __init__(self, name: str, member: type[M], fixed: Mapping[str, object]):
        self.name, self.member, self.fixed = name, member, fixed

    def create(self, **options: object) -> M:
        """Raises SpecError where an option is unknown or has a wrong value."""
        try:
            return self.member(**self.fixed, **options)
        except (ValidationError, TypeError) as error:
            raise SpecError(f"{self.name}: {first_problem(error)}") from error

    def describe(self) -> dict[str, Any]:
        """The entry of `list FAMILY --json`."""
        fields = self.member.model_fields.items()
        options = [_option(name, field) for name, field in fields if name not in self.fixed]
        return {
            "name": self.name,
            "help": self.member.help().format_map(_Keep(self.fixed)),
            "options": options,
            "examples": list(self.member.examples) or [self.name],
        }


class Registry(Generic[M]):
    """The members of one family, found by importing its folder and the entry points `qdash.<family>`."""

    def __init__(self, family: str):
        self.family = family
        self._entries: dict[str, Entry[M]] = {}

    def register(self, name: str, **fixed: object) -> Callable[[type[M]], type[M]]:
        """Class decorator; `fixed` are fields which this name determines."""

        def add(member: type[M]) -> type[M]:
            if "name" not in member.__dict__:
                member.name = name
            self._entries[name] = Entry(name, member, fixed)
            return member

        return add

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._loaded)

    def entry(self, name: str) -> Entry[M]:
        """Raises UnknownNameError with the choices."""
        if name not in self._loaded:
            raise UnknownNameError(_singular(self.family), name, self.names())
        return self._loaded[name]

    def create(self, text: str) -> M:
        """A member from `name` or `name:option=value:option=value`."""
        name, *pairs = text.split(":")
        options = dict(_pair(text, pair) for pair in pairs)
        return self.entry(name).create(**options)

    def describe(self) -> dict[str, Any]:
        """The JSON of `list FAMILY`."""
        return {"family": self.family, "members": [self._loaded[n].describe() for n in self.names()]}

    def __iter__(self) -> Iterator[Entry[M]]:
        return (self._loaded[n] for n in self.names())

    @cached_property
    def _loaded(self) -> dict[str, Entry[M]]:
        package = importlib.import_module(package_of(self.family))
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
        for point in entry_points(group=f"qdash.{self.family}"):
            point.load()
        return self._entries


def families() -> list[str]:
    """All families: the folders of the package that have a `base.py`, and those of its screen.

    >>> {"observers", "views"} <= set(families())
    True
    """
    return sorted(_packages())


def package_of(family: str) -> str:
    """Where a family's members lie. Raises UnknownNameError with the choices.

    >>> package_of("observers"), package_of("views")
    ('qdash.observers', 'qdash.ui.views')
    """
    packages = _packages()
    if family not in packages:
        raise UnknownNameError("family", family, sorted(packages))
    return packages[family]


def family(name: str) -> Registry[Any]:
    """The registry of a family by name, so that a spec can check names without importing members.

    Raises UnknownNameError with the choices.

    >>> "min_max" in family("observers").names()
    True
    """
    registry: Registry[Any] = importlib.import_module(f"{package_of(name)}.base").REGISTRY
    return registry


def member_of(name: str) -> AfterValidator:
    """Checks a field of a spec: text that makes a member of the family."""

    def check(text: str) -> str:
        family(name).create(text)
        return text

    return AfterValidator(check)


def source_of(name: str) -> AfterValidator:
    """Checks a field of a spec: text that names a model or data set, its path made absolute."""
    return AfterValidator(lambda text: family(name).absolute(text))  # type: ignore[attr-defined]


def first_problem(error: Exception) -> str:
    """One line from a pydantic error: the field, the value, what it should be."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return message if not where else f"{where}: {message}"
    return f"{where} = {problem['input']!r}: {message}"


@cache  # every name of a spec asks for it
def _packages() -> dict[str, str]:
    folders = [path.parent for pattern in ("*/base.py", "ui/*/base.py") for path in _ROOT.glob(pattern)]
    return {folder.name: ".".join(folder.relative_to(_ROOT.parent).parts) for folder in folders}


def _pair(text: str, pair: str) -> tuple[str, str]:
    option, equals, value = pair.partition("=")
    if not equals:
        raise SpecError(f"{text!r}: {pair!r} is not option=value; write name:option=value")
    return option, value


def _singular(family: str) -> str:
    return family[:-3] + "y" if family.endswith("ies") else family.removesuffix("s")


def _option(name: str, field: FieldInfo) -> dict[str, Any]:
    annotation = field.annotation
    choices = list(get_args(annotation)) if "Literal" in str(get_origin(annotation)) else None
    kind = "choice" if choices else getattr(annotation, "__name__", str(annotation))
    default = None if field.default is PydanticUndefined else field.default
    return {"name": name, "type": kind, "default": default, "choices": choices, "help": field.description or ""}


class _Keep(dict[str, object]):
    """Leaves unknown braces of a docstring as they are."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
