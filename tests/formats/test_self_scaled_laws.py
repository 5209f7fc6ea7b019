"""The laws of `formats/base.py` over all formats that take no range."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.registry import family

few = settings(max_examples=25, deadline=None)

FORMATS = family("formats")
SPECS = [spec for entry in FORMATS for spec in entry.describe()["examples"] if not FORMATS.create(spec).needs_range]
LOSSY = [spec for spec in SPECS if not FORMATS.create(spec).lossless]
values = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 70)), elements=st.floats(-6e4, 6e4, width=32))
ONE_STEP = 4 * float(np.finfo(np.float32).eps)  # nvfp4's scale over the tensor is taken from what was rounded


@pytest.mark.parametrize("spec", SPECS)
@few
@given(x=values)
def test_laws(spec, x):
    x[0, 0] = 0
    member = FORMATS.create(spec)
    once = member.fake_quantize_blocks(x)
    assert once == pytest.approx(member.fake_quantize_blocks(once), rel=ONE_STEP)
    assert once[0, 0] == 0
    assert (once.shape, once.dtype) == (x.shape, x.dtype)
    assert np.array_equal(member.fake_quantize_blocks(torch.from_numpy(x)).numpy(), once)


@pytest.mark.parametrize("spec", SPECS)
def test_zeros_and_empty_tensors(spec):
    member = FORMATS.create(spec)
    for shape in ((2, 40), (0, 5), (5, 0), (0,), (2, 0, 3)):
        x = torch.zeros(shape)
        assert torch.equal(member.fake_quantize_blocks(x, samples=True), x)
        assert np.array_equal(member.fake_quantize_blocks(x.numpy()), x.numpy())
    assert member.fake_quantize_blocks(torch.tensor(1.0)).shape == ()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_visible(spec, bad):
    x = np.ones((2, 80), np.float32)
    x[1, 7] = bad
    for given_x in (x, torch.from_numpy(x)):
        y = np.asarray(FORMATS.create(spec).fake_quantize_blocks(given_x, samples=True))
        assert not np.isfinite(y[1, 7])
        assert np.isfinite(y[0]).all()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("largest", [1e-44, 1e-38, 1e30, 3e38])
def test_extreme_magnitudes_stay_finite(spec, largest):
    if spec == "fp16" and largest > 1:
        pytest.skip("overflows, which has its own test")
    x = (np.random.default_rng(0).uniform(-1, 1, (2, 90)) * largest).astype(np.float32)
    y = FORMATS.create(spec).fake_quantize_blocks(x)
    assert np.isfinite(y).all()
    assert np.array_equal(FORMATS.create(spec).fake_quantize_blocks(torch.from_numpy(x)).numpy(), y)


@pytest.mark.parametrize("spec", LOSSY)
def test_blocks_lie_along_the_axis_and_short_ones_are_allowed(spec):
    member, x = FORMATS.create(spec), torch.randn(3, 50, 4, 5, generator=torch.Generator().manual_seed(0))
    along_channels = member.fake_quantize_blocks(x, axis=1, samples=True)
    for sample, quantized in zip(x, along_channels, strict=True):
        rows = sample.movedim(0, -1).reshape(-1, 50)
        alone = member.fake_quantize_blocks(rows)
        assert torch.equal(quantized.movedim(0, -1).reshape(-1, 50), alone)
    assert along_channels.stride() == x.stride()


@pytest.mark.parametrize("spec", LOSSY)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_and_memory_formats_are_kept(spec, dtype):
    x = torch.randn(2, 33, 4, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = x.to(memory_format=torch.channels_last)
    y = FORMATS.create(spec).fake_quantize_blocks(x, axis=1)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, FORMATS.create(spec).fake_quantize_blocks(x.float(), axis=1).to(dtype))


@pytest.mark.parametrize("spec", SPECS)
def test_samples_do_not_see_each_other(spec):
    x = torch.randn(4, 6, 48, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 3, 4).view(4, 1, 1)
    member = FORMATS.create(spec)
    together = member.fake_quantize_blocks(x, samples=True)
    alone = torch.cat([member.fake_quantize_blocks(sample[None], samples=True) for sample in x])
    assert torch.equal(together, alone)


def test_storage_of_blocks():
    bits = {spec: FORMATS.create(spec).bits_per_value for spec in SPECS}
    assert bits["mxfp8"] == 8.25
    assert bits["mxfp6"] == bits["mxfp6:element=e2m3"] == 6.25
    assert bits["mxfp4"] == 4.25
    assert bits["nvfp4"] == bits["nf4"] == 4.5
    assert bits["bf16"] == bits["fp16"] == 16
    assert FORMATS.create("mxfp4").storage_bits(3, 32) == 3 * 32 * 4.25
    assert FORMATS.create("mxfp4").storage_bits(3, 33) == 3 * (33 * 4 + 2 * 8)  # a short block has a whole scale
    assert FORMATS.create("nf4").storage_bits(2, 9) == 2 * (9 * 4 + 32)
