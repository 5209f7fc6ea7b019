"""One layer under one setting: formats with scales of their own, live ranges, groups, empty tensors."""

import numpy as np
import pytest
import torch
from torch import nn

from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.site import Site
from qdash.layers.convolution import Convolution
from qdash.layers.linear import Linear
from qdash.registry import family
from qdash.spec.setting import Setting

FORMATS = family("formats")
SELF_SCALED = [name for name in FORMATS.names() if not FORMATS.create(name).needs_range]


def never_asked():
    raise AssertionError("no statistics are needed")


def quantizer(module, statistics=never_asked, **setting):
    kind = Linear() if isinstance(module, nn.Linear) else Convolution()
    return LayerQuantizer(Site(module, kind, statistics), Setting(**setting))


def linear(inputs=48, outputs=8, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(inputs, outputs)


@pytest.mark.parametrize("name", SELF_SCALED)
@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_formats_with_own_scales_need_no_calibration(name, mode, monkeypatch):
    monkeypatch.setattr("qdash.observers.mse.LeastSquaredError.clipping_range", lambda *_: never_asked())
    module, x = linear(), torch.randn(3, 5, 48)
    subject = quantizer(module, mode=mode, weight_format=name, activation_format=name)
    member = FORMATS.create(name)
    (given,), _ = subject.quantized_arguments((x,), {})
    assert torch.equal(given, member.fake_quantize_blocks(x, samples=True))
    assert torch.equal(subject.weights["weight"], member.fake_quantize_blocks(module.weight.data))


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "nf4"])
def test_blocks_of_a_convolution(name):
    """Weights: along the inputs of each output channel, kernel positions innermost. Inputs: along the channels."""
    torch.manual_seed(0)
    module, x = nn.Conv2d(20, 6, 3), torch.randn(2, 20, 5, 5)
    subject = quantizer(module, weight_format=name, activation_format=name, weight_granularity="per_tensor")
    member = FORMATS.create(name)
    rows = member.fake_quantize_blocks(module.weight.data.reshape(6, 180))
    assert torch.equal(subject.weights["weight"], rows.reshape(6, 20, 3, 3))
    (given,), _ = subject.quantized_arguments((x,), {})
    for sample, quantized in zip(x, given, strict=True):
        pixels = sample.reshape(20, 25).T
        assert torch.equal(quantized.reshape(20, 25).T, member.fake_quantize_blocks(pixels))


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("shape", [(8, 20, 3, 3), (8, 1, 3, 3), (8, 128)])
def test_groups_of_any_row_length(size, shape):
    module = nn.Linear(shape[1], shape[0]) if len(shape) == 2 else nn.Conv2d(shape[1], shape[0], 3)
    subject = quantizer(module, weight_format="int4", observer="min_max", weight_granularity=f"per_group:size={size}")
    rows, found = module.weight.data.reshape(shape[0], -1), subject.weights["weight"].reshape(shape[0], -1)
    for start in range(0, rows.shape[1], size):
        group = rows[:, start : start + size]
        scale = (group.abs().amax(1, keepdim=True).double() / 7).float()
        assert torch.equal(found[:, start : start + size], (group / scale).round().clamp(-7, 7) * scale)


@pytest.mark.parametrize("granularity", [None, "per_tensor"])
@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("name", ["int8", "fp8_e4m3fn", "mxfp4"])
def test_empty_inputs_come_back_as_they_are(granularity, mode, name):
    for module, x in ((linear(), torch.zeros(0, 48)), (nn.Conv2d(3, 4, 3), torch.zeros(0, 3, 8, 8))):
        subject = quantizer(module, mode=mode, activation_format=name, activation_granularity=granularity)
        (given,), _ = subject.quantized_arguments((x,), {})
        assert given is x
        assert subject.run(module, (x,), {}).numel() == 0


def test_an_empty_weight_comes_back_as_it_is():
    module = nn.Linear(1, 4)
    module.weight = nn.Parameter(torch.zeros(4, 0))
    assert quantizer(module).weights["weight"].shape == (4, 0)


@pytest.mark.parametrize("name", ["int8", "fp8_e5m2", "mxfp6", "nvfp4", "nf4", "bf16"])
def test_dynamic_inputs_are_independent_of_their_batch(name):
    x = torch.randn(6, 4, 48, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 6).view(6, 1, 1)
    subject = quantizer(linear(), mode="dynamic", activation_format=name)
    (together,), _ = subject.quantized_arguments((x,), {})
    for sample, quantized in zip(x, together, strict=True):
        (alone,), _ = subject.quantized_arguments((sample[None],), {})
        assert torch.equal(alone[0], quantized)


def test_power_of_two_scales_live_and_of_weights():
    module, x = linear(), torch.randn(10, 48)
    subject = quantizer(module, mode="dynamic", observer="min_max", power_of_two_scales=True)
    (given,), _ = subject.quantized_arguments((x,), {})
    for row, quantized in zip(x, given, strict=True):
        low, high = min(row.min().item(), 0), max(row.max().item(), 0)
        scale = 2.0 ** np.ceil(np.log2((high - low) / 255))
        zero_point = np.clip(np.rint(-128 - low / scale), -128, 127)
        expected = (np.clip(np.rint(row.numpy() / scale) + zero_point, -128, 127) - zero_point) * scale
        assert np.array_equal(quantized.numpy(), expected.astype(np.float32))
    scales = 2.0 ** np.ceil(np.log2(module.weight.detach().abs().amax(1).double().numpy() / 127))
    levels = subject.weights["weight"].detach().numpy() / scales[:, None]
    assert np.array_equal(levels, np.rint(levels))
    assert np.abs(levels).max(axis=1).min() > 63


@pytest.mark.filterwarnings("ignore:torch")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_range_per_call_is_torchs_dynamic_quantization(seed):
    """Inputs and int8 kernel as torch.ao runs them on 8 bits; the weights are given as its own quantized ones."""
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    try:
        module, x = linear(64, 16, seed), torch.randn(32, 64) * 3 + 0.5
        theirs = torch.ao.quantization.quantize_dynamic(nn.Sequential(module), {nn.Linear}, torch.qint8)
        packed = theirs[0]
        expected = theirs(x)
        module.weight.data = packed.weight().dequantize()
    finally:
        torch.backends.quantized.engine = engine
    subject = quantizer(
        module,
        mode="dynamic",
        weight_format="identity",
        activation_format="uint8",
        activation_granularity="per_tensor",
    )
    ours = subject.run(module, (x,), {})
    step = (x.max() - x.min()) / 255
    one_step = step * module.weight.abs().max()  # an input at a tie may be rounded the other way
    assert (ours - expected).abs().max() <= one_step
    assert (ours - expected).norm() <= 1e-3 * expected.norm()
    per_token = quantizer(module, mode="dynamic", weight_format="identity", activation_format="uint8")
    assert (per_token.run(module, (x,), {}) - expected).norm() > 2e-3 * expected.norm()
