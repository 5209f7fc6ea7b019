"""The error tree: every message names the culprit, its value and the way out."""

from collections.abc import Iterable


class QdashError(Exception):
    """A fault of ours unless a subclass says otherwise."""

    exit_code = 1


class InputError(QdashError):
    """The user's input is wrong; the message fits on one line."""

    exit_code = 2


class SpecError(InputError):
    """A setting has a value it can't have."""


class UnknownNameError(InputError):
    """A name that no member of a family has."""

    def __init__(self, family: str, name: str, choices: Iterable[str]):
        super().__init__(f"unknown {family} {name!r}; choose from {', '.join(choices) or '(none)'}")


class DataError(InputError):
    """The samples can't be used as they are."""


class ModelError(InputError):
    """The model can't be loaded or run as it is."""


class MissingLibraryError(InputError):
    """An optional library is needed and absent."""

    def __init__(self, what: str, package: str):
        super().__init__(f"{what} needs the package {package!r}; install it with: pip install {package}")


class StoreTrouble(QdashError):
    """The store can't be used. passing: whether it may work again by itself, as with a full disk or a lock."""

    def __init__(self, message: str, passing: bool = False):
        super().__init__(message)
        self.passing = passing


class InterruptedRun(QdashError):
    """The user stopped a run; what is done is kept."""

    exit_code = 130
