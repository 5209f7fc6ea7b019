"""The laws of sensitivity methods over all members."""

from qdash.testing.laws import every_name
from qdash.testing.methods import MethodLaws


class TestMethods(MethodLaws):
    names = every_name("methods")
