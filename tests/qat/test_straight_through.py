"""Straight-through gradients against torch's own fake quantization, and learned scales against torch's LSQ operator."""

import numpy as np
import pytest
import torch
from torch import nn

from qdash.engine.learning.straight_through import fake_quantize, lsq_gradient_scale, passed_through
from qdash.instrument.weights import substituted
from qdash.registry import family

FORMATS = family("formats")
SCALED = [name for name in FORMATS.names() if FORMATS.create(name).needs_range]


def values(*shape, seed=0):
    """Normal, a few far outside every range; scales in the tests are powers of two, where 1/S is exact."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x + 200 * (torch.rand(*shape, generator=torch.Generator().manual_seed(seed + 1)) > 0.9)


@pytest.mark.parametrize("format", ["int2", "int4", "int8", "uint8"])
@pytest.mark.parametrize("zero_point", [0, 1])
@pytest.mark.parametrize("scale", [2.0**-4, 0.25])
def test_gradients_of_one_scale_are_those_of_torch(format, zero_point, scale):
    q_min, q_max = FORMATS.create(format).limits("affine")
    ours, theirs = (values(64, 33).requires_grad_() for _ in range(2))
    grid = torch.tensor(scale), torch.tensor(zero_point, dtype=torch.int32)
    weights = values(64, 33, seed=5)
    got = fake_quantize(ours, *grid, FORMATS.create(format), "affine")
    expected = torch.fake_quantize_per_tensor_affine(theirs, scale, zero_point, q_min, q_max)
    (got * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(got, expected)
    assert torch.equal(ours.grad, theirs.grad)
    assert 0 < float((ours.grad == 0).float().mean()) < 1  # some are clipped, some are not


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_of_scales_per_channel_are_those_of_torch(axis):
    ours, theirs = (values(6, 8, 5).requires_grad_() for _ in range(2))
    channels = ours.shape[axis]
    scale = 2.0 ** -torch.arange(channels).float()
    zero_point = torch.arange(channels, dtype=torch.int32) - 3
    shape = [channels if dim == axis else 1 for dim in range(3)]
    got = fake_quantize(ours, scale.reshape(shape), zero_point.reshape(shape), FORMATS.create("int4"), "affine")
    expected = torch.fake_quantize_per_channel_affine(theirs, scale, zero_point, axis, -8, 7)
    (got * got).sum().backward()
    (expected * expected).sum().backward()
    assert torch.equal(got, expected)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("zero_point", [0, 3])
@pytest.mark.parametrize("factor", [1.0, 0.125])
def test_the_gradient_of_a_scale_is_that_of_torchs_learned_scale(zero_point, factor):
    ours, theirs = (values(40, 10).requires_grad_() for _ in range(2))
    scale, theirs_scale = (torch.tensor([0.25], requires_grad=True) for _ in range(2))
    weights = values(40, 10, seed=5)
    integer = torch.tensor([zero_point], dtype=torch.int32)
    got = fake_quantize(ours, scale, integer, FORMATS.create("int4"), "affine", factor)
    expected = torch._fake_quantize_learnable_per_tensor_affine(
        theirs, theirs_scale, torch.tensor([float(zero_point)]), -8, 7, factor
    )
    (got * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)
    torch.testing.assert_close(scale.grad, theirs_scale.grad, rtol=1e-5, atol=1e-5)


def test_the_gradients_of_scales_per_channel_are_those_of_torchs_learned_scales():
    ours, theirs = (values(6, 50).requires_grad_() for _ in range(2))
    scale = torch.full((6, 1), 0.25, requires_grad=True)
    theirs_scale = torch.full((6,), 0.25, requires_grad=True)
    integer = torch.zeros(6, 1, dtype=torch.int32)
    got = fake_quantize(ours, scale, integer, FORMATS.create("int4"), "affine")
    expected = torch._fake_quantize_learnable_per_channel_affine(
        theirs, theirs_scale, torch.zeros(6, requires_grad=True), 0, -8, 7, 1.0
    )
    (got * got).sum().backward()
    (expected * expected).sum().backward()
    torch.testing.assert_close(scale.grad.flatten(), theirs_scale.grad, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", SCALED)
def test_forward_is_the_formats_own_and_the_gradient_stops_where_values_are_clipped(name):
    format, x = FORMATS.create(name), values(16, 16).requires_grad_()
    x.data[0, 0], x.data[0, 1] = 1e30, -1e30
    grid = format.parameters(np.array([-2.0]), np.array([2.0]), "affine")
    scale, zero_point = (torch.from_numpy(p) for p in grid)
    got = fake_quantize(x, scale, zero_point, format, "affine")
    got.sum().backward()
    with torch.no_grad():
        assert torch.equal(got, format.fake_quantize(x.detach(), scale, zero_point, "affine"))
    small = x.detach().abs() < 1.5
    assert set(x.grad.unique().tolist()) <= {0.0, 1.0}
    assert bool((x.grad[small] == 1).all())
    assert x.grad[0, 0] == x.grad[0, 1] == 0


def test_formats_with_live_scales_hand_the_gradient_on():
    x = values(8, 64).requires_grad_()
    (passed_through(x, x.detach().round()) * 3).sum().backward()
    assert bool((x.grad == 3).all())


def test_the_gradient_scale_is_that_of_the_paper():
    """Esser et al. 2019, section 2.2: 1/√(N·Q_P), here N = 1,000 and Q_P = 7."""
    scale = torch.tensor(0.5)
    assert lsq_gradient_scale(1000, scale, 7 * scale) == pytest.approx(1 / (7000**0.5))


@pytest.mark.parametrize(
    "module",
    [nn.Linear(5, 3), nn.LSTM(5, 3, batch_first=True), nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))],
    ids=["linear", "lstm", "weight norm"],
)
def test_gradients_reach_substituted_weights_and_the_module_is_as_before(module):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5)
    name = "weight" if not isinstance(module, nn.LSTM) else "weight_ih_l0"
    state = {key: value.clone() for key, value in module.state_dict().items()}
    before = _output(module(x))
    replacement = torch.randn(getattr(module, name).shape, requires_grad=True)
    with substituted(module, {name: replacement * 1}):
        (gradient,) = torch.autograd.grad(_output(module(x)).square().sum(), replacement)
    if not hasattr(module, "parametrizations"):
        expected = torch.func.functional_call(module, {name: replacement}, (x,))
        (wanted,) = torch.autograd.grad(_output(expected).square().sum(), replacement)
        torch.testing.assert_close(gradient, wanted)
    assert float(gradient.abs().sum()) > 0
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in state.items())
    assert torch.equal(_output(module(x)), before)
    assert isinstance(dict(module.named_parameters()).get(name, nn.Parameter()), nn.Parameter)


def _output(found):
    return found[0] if isinstance(found, tuple) else found
