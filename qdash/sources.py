"""Sources named by text: `prefix:rest` or a file name with a known ending."""

from pathlib import Path
from typing import TypeVar

from qdash.errors import SpecError
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
