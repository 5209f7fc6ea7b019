"""The laws of views over all members."""

from qdash.testing.laws import every_name
from qdash.testing.views import ViewLaws


class TestViews(ViewLaws):
    names = every_name("views")
