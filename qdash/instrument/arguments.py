"""Which arguments of a call are a layer's inputs, however they are passed."""

from collections.abc import Mapping, Sequence

from qdash.tensors.call import Args, Call, Kwargs


def inputs_of(names: Sequence[str], args: Args, kwargs: Kwargs) -> dict[str, object]:
    """Input name → argument, for the names that the call passes, by position or by keyword.

    A layer with one input may call it as it likes: then its first argument is meant. Empty names are places that are
    no inputs.
    """
    if len(names) == 1 and not args and names[0] not in kwargs:
        return dict(zip(names, kwargs.values(), strict=False))
    found = {name: args[place] for place, name in enumerate(names) if name and place < len(args)}
    return found | {name: kwargs[name] for name in names if name in kwargs}


def with_inputs(names: Sequence[str], args: Args, kwargs: Kwargs, values: Mapping[str, object]) -> Call:
    """The same call with other inputs, passed the same way."""
    if len(names) == 1 and not args and names[0] not in kwargs:
        first = next(iter(kwargs), None)
        return args, {key: values[names[0]] if key == first else value for key, value in kwargs.items()}
    places = dict(enumerate(names))
    changed = tuple(values.get(places.get(place, ""), value) for place, value in enumerate(args))
    return changed, {key: values.get(key, value) for key, value in kwargs.items()}
