"""The laws of model sources over all members."""

from qdash.registry import family
from qdash.testing.models import ModelLaws
from qdash.testing.tiny import MODEL

NAMES = ("demo:digits-mobilenet", "demo:digits-lstm", MODEL)


class TestModels(ModelLaws):
    names = NAMES


def test_no_member_is_left_out():
    assert {type(family("models").create(name)) for name in NAMES} == {entry.member for entry in family("models")}
