"""The type of a layer in the field's words: a depthwise convolution is a kind of its own."""

from collections.abc import Mapping
from typing import Any


def layer_type(layer: Mapping[str, Any]) -> str:
    """From an entry of `facts["layers"]`.

    >>> layer_type({"type": "Conv2d", "groups": 16, "weights": {"weight": {"shape": [16, 1, 3, 3]}}})
    'Conv2d depthwise'
    """
    name, groups = str(layer["type"]), layer.get("groups", 1)
    shape: list[int] = next((weight["shape"] for weight in layer["weights"].values()), [])
    if groups > 1 and len(shape) > 1:
        return f"{name} depthwise" if shape[1] == 1 else f"{name} in {groups} groups"
    return name


def layer_types(facts: Mapping[str, Any]) -> dict[str, str]:
    """By layer name."""
    return {layer["layer"]: layer_type(layer) for layer in facts["layers"]}
