"""Laws of model sources."""

from typing import ClassVar

from torch import nn

from qdash.models.base import ModelSource
from qdash.testing.sources import SourceLaws


class ModelLaws(SourceLaws):
    """See `SourceLaws`."""

    family: ClassVar[str] = "models"

    def test_it_loads_a_module_on_the_cpu_with_the_same_weights_each_time(self, member: ModelSource) -> None:
        first, second = member.load(), member.load()
        assert isinstance(first, nn.Module)
        assert first is not second
        states = first.state_dict(), second.state_dict()
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            assert value.device.type == "cpu"
            assert value.equal(states[1][key])
