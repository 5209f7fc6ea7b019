"""The laws of model sources, over what ships and a model of a file."""

from qdash.testing.models import ModelLaws
from qdash.testing.sources import shipped
from qdash.testing.tiny import MODEL


class TestModels(ModelLaws):
    names = (*shipped("models"), MODEL)
