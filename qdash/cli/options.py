"""The options of a command made from the fields of a spec: name, type, default and help."""

import inspect
from collections.abc import Callable
from typing import Annotated, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from qdash.registry import Frozen
from qdash.spec.checked import checked

PLAIN = (bool, int, float)  # what typer reads itself; the rest is text that the spec checks


def with_options(command: Callable[..., None], spec: type[Frozen], **metavars: str) -> Callable[..., None]:
    """The command with an option for each field of `spec` in place of its first parameter.

    A tuple is read from comma-separated text under the field's name in the singular. metavars: by field, what stands
    for its value in the help. Called, it raises SpecError where the values don't make a spec.
    """
    fields = spec.model_fields

    def read(**given: object) -> None:
        values = {name: _value(field, given.pop(name)) for name, field in fields.items()}
        command(checked(spec, **values), **given)

    _, *others = inspect.signature(command).parameters.values()
    parameters = [
        *(_parameter(name, field, metavars.get(name)) for name, field in fields.items()),
        *(parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in others),
    ]
    setattr(read, "__signature__", inspect.Signature(parameters))  # noqa: B010, what typer reads
    return read


def _parameter(name: str, field: FieldInfo, metavar: str | None) -> inspect.Parameter:
    names = (f"--{name.removesuffix('s').replace('_', '-')}",) if _is_tuple(field) else ()
    option = typer.Option(*names, metavar=metavar, help=field.description)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=Annotated[_type(field), option]
    )


def _type(field: FieldInfo) -> object:
    kinds = (field.annotation, *get_args(field.annotation))
    kind = next((kind for kind in PLAIN if kind in kinds), str)
    return kind | None if field.default is None else kind


def _default(field: FieldInfo) -> object:
    if field.is_required():
        return inspect.Parameter.empty
    return ",".join(field.default) if _is_tuple(field) else field.default


def _value(field: FieldInfo, given: object) -> object:
    if not _is_tuple(field):
        return given
    return tuple(part.strip() for part in str(given).split(",") if part.strip())


def _is_tuple(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple
