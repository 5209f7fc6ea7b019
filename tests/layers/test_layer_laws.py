"""The laws of layer kinds, over samples of torch's own modules."""

from qdash.testing.layers import SAMPLES, LayerLaws


class TestLayers(LayerLaws):
    names = tuple(SAMPLES)
