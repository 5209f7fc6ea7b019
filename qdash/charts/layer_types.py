"""The type of a layer in the field's words: a depthwise convolution is a kind of its own."""

from qdash.records.facts import LayerFacts, RunFacts


def layer_type(layer: LayerFacts) -> str:
    """
    >>> from qdash.records.facts import WeightFacts
    >>> layer_type(LayerFacts("dw", "Conv2d", groups=16, weights={"weight": WeightFacts((16, 1, 3, 3))}))
    'Conv2d depthwise'
    """
    name, groups = layer.type, layer.groups
    shape = next((weight.shape for weight in layer.weights.values()), ())
    if groups > 1 and len(shape) > 1:
        return f"{name} depthwise" if shape[1] == 1 else f"{name} in {groups} groups"
    return name


def layer_types(facts: RunFacts) -> dict[str, str]:
    """By layer name."""
    return {layer.layer: layer_type(layer) for layer in facts.layers}
