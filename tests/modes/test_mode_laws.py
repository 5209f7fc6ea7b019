"""The laws of modes over all members."""

from qdash.testing.laws import every_name
from qdash.testing.modes import ModeLaws


class TestModes(ModeLaws):
    names = every_name("modes")
