"""The floating tensors in a model's output, by name: what can be judged."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from qdash.errors import SpecError

WHOLE = "output"
"""The name of an output that is one tensor."""


def named_outputs(tree: object) -> dict[str, Tensor]:
    """Name → floating tensor of any shape, in the output's order.

    Names are the way to a tensor, joined with dots: indices of lists and tuples, keys, fields of named tuples and
    attributes of dataclasses.
    """
    return {path or WHOLE: tensor for path, tensor in _walk(tree, "") if tensor.is_floating_point()}


def output_shapes(tree: object) -> dict[str, tuple[int, ...]]:
    """Name → shape of one sample's output, of tensors (samples, …)."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in named_outputs(tree).items()}


def chosen_output(names: Sequence[str], text: str) -> str:
    """The name that a person means by an index, a key or a path.

    Raises SpecError with the names where there is none.

    >>> chosen_output(["boxes", "scores"], "1"), chosen_output(["boxes", "scores"], "scores")
    ('scores', 'scores')
    """
    if text in names:
        return text
    if text.lstrip("-").isdigit() and -len(names) <= int(text) < len(names):
        return names[int(text)]
    raise SpecError(f"the model has no output {text!r}; its floating outputs are: {', '.join(names)} (--output)")


def note_on_outputs(found: Mapping[str, Tensor], judged: Mapping[str, Tensor], wanted: str | None) -> list[str]:
    """Which outputs are judged and which are not, with their shapes, for a person; nothing where there is one."""
    if len(found) == 1:
        return []
    shapes = ", ".join(f"{name} {shape_text(t)}" for name, t in judged.items())
    said = [f"judged together, each over its own energy: {shapes}" if len(judged) > 1 else f"judged: {shapes}"]
    left = [f"{name} {tuple(t.shape)}" for name, t in found.items() if name not in judged]
    if left:
        said.append(f"outputs left out: {', '.join(left)}")
    return said if wanted else [f"{said[0]}; --output chooses one", *said[1:]]


def shape_text(tensor: Tensor) -> str:
    """As a person thinks of it: `(N, 3, 32, 32)`."""
    return samples_shape(tuple(tensor.shape[1:]))


def samples_shape(shape: tuple[int, ...]) -> str:
    """Of one sample's shape.

    >>> samples_shape((3, 32, 32)), samples_shape(())
    ('(N, 3, 32, 32)', '(N,)')
    """
    return f"({', '.join(['N', *map(str, shape)])}{'' if shape else ','})"


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without trailing axes of length 1."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _walk(tree: object, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Tensor):
        yield path, tree
        return
    for name, value in _parts(tree):
        yield from _walk(value, f"{path}.{name}" if path else name)


def _parts(tree: object) -> Iterator[tuple[str, object]]:
    if isinstance(tree, Mapping):
        yield from ((str(key), value) for key, value in tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        yield from zip(tree._fields, tree, strict=True)
    elif isinstance(tree, tuple | list):
        yield from ((str(place), value) for place, value in enumerate(tree))
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        yield from ((field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree))
