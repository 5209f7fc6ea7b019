"""The laws of observers over all members."""

from qdash.testing.laws import every_name
from qdash.testing.observers import ObserverLaws


class TestObservers(ObserverLaws):
    names = every_name("observers")
