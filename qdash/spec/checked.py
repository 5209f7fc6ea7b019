"""A spec from what a person typed or chose."""

from typing import TypeVar

from pydantic import ValidationError

from qdash.errors import SpecError
from qdash.registry import Frozen, first_problem

S = TypeVar("S", bound=Frozen)


def checked(spec: type[S], **values: object) -> S:
    """A spec from plain values; raises SpecError with one line instead of pydantic's report."""
    try:
        return spec(**values)
    except ValidationError as error:
        raise SpecError(first_problem(error)) from error
