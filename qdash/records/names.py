"""Names of layers: a module's path, or that with a part: `lstm#l1_reverse` is one stacked layer in one direction."""

import re
from collections.abc import Container

_PART = re.compile(r"#l\d+(_reverse)?$")


def whole(layer: str) -> str:
    """The module that a part belongs to; the name itself where it is no part.

    >>> whole("lstm#l1_reverse"), whole("attention#matmul_1")
    ('lstm', 'attention#matmul_1')
    """
    return _PART.sub("", layer) if "#" in layer else layer


def among(layer: str, names: Container[str]) -> bool:
    """Whether a layer is one of these, or a part of one.

    >>> among("lstm#l0", {"lstm"}), among("lstm#l0", {"lstm#l1"})
    (True, False)
    """
    return layer in names or whole(layer) in names
