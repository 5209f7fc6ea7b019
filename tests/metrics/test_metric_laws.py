"""The laws of metrics over all members."""

from qdash.testing.laws import every_name
from qdash.testing.metrics import MetricLaws


class TestMetrics(MetricLaws):
    names = every_name("metrics")
