"""Weights however a module has them: exchanged, and back to the bit, also after an error."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from qdash.errors import ModelError
from qdash.instrument.weights import effective_weight, exchanged, parameters_of


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, weight):
        return 2 * weight


def parametrized():
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    return layer


def hooked():
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(nn.Linear(3, 2))


def with_hook_and_buffer():
    layer = nn.Linear(3, 2)
    layer.register_buffer("table", layer._parameters.pop("weight").detach())
    layer.register_forward_pre_hook(lambda module, args: setattr(module, "weight", module.table * 3))
    layer(torch.zeros(1, 3))
    return layer


@pytest.mark.parametrize("build", [lambda: nn.Linear(3, 2), parametrized, hooked, with_hook_and_buffer])
def test_exchanged_weights_are_used_and_come_back_also_after_an_error(build):
    layer, x = build(), torch.randn(4, 3)
    other, before = torch.randn(2, 3), layer(x)
    original = effective_weight(layer, "weight").clone()

    def check(module, args, output):  # after the layer's own hooks, as an override runs
        assert torch.equal(module.weight, other)

    handle = layer.register_forward_hook(check)
    wrapped = layer.forward

    def forward(x):
        with exchanged(layer, {"weight": other}):
            assert torch.equal(wrapped(x), nn.functional.linear(x, other, layer.bias))
            raise KeyError

    layer.forward = forward
    with pytest.raises(KeyError):
        layer(x)
    handle.remove()
    del layer.forward
    assert torch.equal(effective_weight(layer, "weight"), original)
    assert torch.equal(layer(x), before)


def test_a_weight_that_a_property_computes_is_refused_not_ignored():
    class Halved(nn.Linear):
        @property
        def weight(self):
            return self.whole / 2

    layer = nn.Linear(3, 2)
    layer.whole = layer._parameters.pop("weight")
    layer.__class__ = Halved
    with pytest.raises(ModelError, match="Halved: its weight is computed anew"), exchanged(layer, {"weight": None}):
        pass


def test_parameters_behind_a_weight():
    assert parameters_of(nn.Linear(2, 2), "weight")[0].shape == (2, 2)
    assert [p.shape for p in parameters_of(parametrizations.weight_norm(nn.Linear(3, 2)), "weight")] == [(2, 1), (2, 3)]
    assert sorted(p.numel() for p in parameters_of(hooked(), "weight")) == [2, 6]
