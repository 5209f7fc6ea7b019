"""The laws of recommenders over all members."""

from qdash.testing.laws import every_name
from qdash.testing.recommenders import RecommenderLaws


class TestRecommenders(RecommenderLaws):
    names = every_name("recommenders")
