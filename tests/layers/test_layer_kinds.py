"""Layer kinds against torch's own counters and parameters; exchanged weights come back to the bit."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

from qdash.instrument.arguments import inputs_of, with_inputs
from qdash.instrument.calls import Instrument
from qdash.instrument.folding import folded
from qdash.instrument.random_state import RandomState, seed_everything
from qdash.instrument.weights import effective_weight
from qdash.layers.base import REGISTRY, LayerKind
from qdash.layers.linear import Linear
from qdash.sweep.prepare.evaluation import evaluating
from qdash.sweep.prepare.layers import kinds_of

MODULES = {
    "linear": (nn.Linear(6, 4), (2, 3, 6)),
    "convolution": (nn.Conv2d(4, 6, 3, groups=2, stride=2, padding=1), (2, 4, 9, 9)),
    "convolution 1d": (nn.Conv1d(4, 6, 3, dilation=2), (2, 4, 9)),
    "convolution 3d": (nn.Conv3d(2, 4, (1, 2, 3)), (2, 2, 5, 5, 5)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 5)),
    "transposed 1d": (nn.ConvTranspose1d(3, 5, 4), (2, 3, 6)),
    "transposed 3d": (nn.ConvTranspose3d(3, 2, 2), (2, 3, 3, 3, 3)),
    "embedding": (nn.Embedding(7, 5), None),
}


def kind_of(module):
    """The kind that a sweep takes."""
    return kinds_of({"layer": module})["layer"]


@pytest.mark.parametrize("name", MODULES)
def test_macs_agree_with_torch_s_counter(name):
    module, shape = MODULES[name]
    x = torch.randn(shape) if shape else torch.tensor([[1, 2], [3, 4]])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module(x)
    assert kind_of(module).macs(module, (x,), output) == counter.get_total_flops() / 2


def test_grouped_transposed_convolutions_count_each_group_s_weights():
    """torch's counter has no groups there: the figure of one group, times groups, by hand."""
    module, x = nn.ConvTranspose2d(4, 6, 3, groups=2), torch.randn(2, 4, 5, 5)
    assert kind_of(module).macs(module, (x,), module(x)) == 2 * 4 * 25 * (6 // 2) * 9


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_macs_agree_with_torch_s_counter(separate, batch_first):
    module = nn.MultiheadAttention(8, 2, kdim=6 if separate else 8, vdim=4 if separate else 8, batch_first=batch_first)
    query, key, value = (torch.randn(3, 5, width) for width in (8, module.kdim, module.vdim))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = module(query, key, value)
    kind = kind_of(module)
    assert kind.macs(module, (query, key, value), output) == counter.get_total_flops() / 2
    weights = sum(effective_weight(module, path).numel() for path in kind.weights(module))
    assert kind.weight_macs(module, (query, key, value), output) == 3 * 5 * weights


@pytest.mark.parametrize("layer", [nn.LSTM(4, 3, 2, bidirectional=True, proj_size=2), nn.GRU(4, 3), nn.RNN(4, 3, 3)])
def test_recurrent_layers_name_every_weight_matrix(layer):
    weights = kind_of(layer).weights(layer)
    assert list(weights) == [name for name, p in layer.named_parameters() if p.dim() == 2]
    steps = 7 * 2
    expected = steps * sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    assert kind_of(layer).macs(layer, (torch.zeros(7, 2, 4),), None) == expected


def test_the_nearest_kind_wins():
    class Special(nn.Linear):
        pass

    class SpecialKind(Linear):
        def module_types(self):
            return (Special,)

    REGISTRY.register("special")(SpecialKind)
    try:
        assert type(kind_of(Special(2, 2))) is SpecialKind
        assert type(kind_of(nn.Linear(2, 2))) is Linear
    finally:
        del REGISTRY._entries["special"]


def test_every_kind_says_what_it_is():
    for entry in REGISTRY:
        assert issubclass(entry.member, LayerKind)
        assert len(entry.member.help()) > 40


@pytest.mark.parametrize(
    ("names", "args", "kwargs", "found"),
    [
        (("input",), (1, 2), {}, {"input": 1}),
        (("input",), (), {"x": 1, "y": 2}, {"input": 1}),
        (("query", "key", "value"), (1,), {"value": 3, "key": 2, "mask": 4}, {"query": 1, "key": 2, "value": 3}),
        (("", "first", "second"), ("ij,jk", 1, 2), {}, {"first": 1, "second": 2}),
        (("input",), (), {}, {}),
    ],
)
def test_inputs_however_they_are_passed(names, args, kwargs, found):
    assert inputs_of(names, args, kwargs) == found
    changed_args, changed_kwargs = with_inputs(names, args, kwargs, {key: -value for key, value in found.items()})
    swap = {value: -value for value in found.values()}
    assert changed_args == tuple(swap.get(a, a) if isinstance(a, int) else a for a in args)
    assert changed_kwargs == {key: swap.get(value, value) for key, value in kwargs.items()}


def test_random_state_covers_every_generator():
    seed_everything(3)
    state = RandomState.now()
    first = (torch.rand(1).item(), random.random(), float(np.random.uniform()))
    assert not state.same(RandomState.now())
    state.restore()
    assert state.same(RandomState.now())
    assert first == (torch.rand(1).item(), random.random(), float(np.random.uniform()))


def test_training_modes_come_back_module_by_module():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout())).train()
    model[1].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError), evaluating(model):
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, True, False, False]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.ConvTranspose2d(2, 4, 3, groups=2), "it follows 0, a transposed convolution"),
        (parametrizations.weight_norm(nn.Conv2d(2, 4, 3)), "the weight of 0 is computed"),
    ],
)
def test_a_batch_norm_that_can_t_be_folded_is_left_and_told(layer, reason):
    model = nn.Sequential(layer, nn.BatchNorm2d(4)).eval()
    model[1].running_mean.normal_()
    x = torch.randn(2, 2, 6, 6)
    with torch.no_grad():
        before = model(x)
        with folded(model, (x,), {}) as folding:
            assert reason in folding.left["1"]
            assert torch.equal(model(x), before)


def test_an_instrumented_model_takes_no_fused_kernel():
    """The kernel would pass self-attention and both linear layers by."""
    layer = nn.TransformerEncoderLayer(4, 1, 8, batch_first=True).eval()
    called = []
    with Instrument(layer) as instrument:
        overrides = {
            name: lambda f, args, kwargs, name=name: called.append(name) or f(*args, **kwargs)
            for name in ("self_attn", "linear1", "linear2")
        }
        with instrument.overriding(overrides):
            instrument.run((torch.randn(2, 3, 4),), {})
    assert called == ["self_attn", "linear1", "linear2"]
    assert torch.backends.mha.get_fastpath_enabled()
