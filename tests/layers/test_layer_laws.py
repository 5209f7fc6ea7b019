"""The laws of layer kinds over all members."""

from qdash.testing.laws import every_name
from qdash.testing.layers import SAMPLES, LayerLaws


class TestLayers(LayerLaws):
    names = every_name("layers")


def test_no_member_is_left_out():
    assert set(SAMPLES) == set(every_name("layers"))
