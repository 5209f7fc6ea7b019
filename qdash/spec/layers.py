"""Layers by name: which ones a pattern means, and whether a run has them."""

import fnmatch
from collections.abc import Iterable

from qdash.errors import SpecError
from qdash.records.names import whole


def matches(layer: str, patterns: str) -> bool:
    """Whether comma-separated globs match a whole module path, never a piece of it; a module's matches its parts."""
    names = {layer, whole(layer)}
    return any(fnmatch.fnmatchcase(name, pattern.strip()) for pattern in patterns.split(",") for name in names)


def check_known(wanted: Iterable[str], layers: Iterable[str]) -> None:
    """Raises SpecError where a wanted layer is not among `layers`, and no module that some of them are parts of."""
    known = list(layers)
    for layer in sorted(set(wanted) - set(known) - {whole(name) for name in known}):
        raise SpecError(f"layer {layer!r} is not in this run; its layers are: {', '.join(known[:12])}")


def keep_key(keep: Iterable[str]) -> str:
    """The name under which the scores of a keep set are stored: its layers, sorted."""
    return ",".join(sorted(keep))
