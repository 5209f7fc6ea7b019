"""Floating formats against torch's dtypes, ml_dtypes and the published tables."""

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import torch
from scipy.stats import norm

from qdash.formats.nf4 import LEVELS
from qdash.quant.minifloat import (
    E2M1,
    E2M3,
    E3M2,
    E4M3FN,
    E5M2,
    magnitudes,
    power_of_two_above,
    power_of_two_below,
)
from qdash.registry import family

FORMATS = family("formats")
DTYPES = {
    E4M3FN: ml_dtypes.float8_e4m3fn,
    E5M2: ml_dtypes.float8_e5m2,
    E3M2: ml_dtypes.float6_e3m2fn,
    E2M3: ml_dtypes.float6_e2m3fn,
    E2M1: ml_dtypes.float4_e2m1fn,
}
MX = {
    "mxfp8": (ml_dtypes.float8_e4m3fn, 8),
    "mxfp8:element=e5m2": (ml_dtypes.float8_e5m2, 15),
    "mxfp6": (ml_dtypes.float6_e3m2fn, 4),
    "mxfp6:element=e2m3": (ml_dtypes.float6_e2m3fn, 2),
    "mxfp4": (ml_dtypes.float4_e2m1fn, 2),
}


def probes(numbers: np.ndarray) -> np.ndarray:
    """Every number, every tie, their float32 neighbours, and a spread over many octaves; both signs."""
    ties = (numbers[1:] + numbers[:-1]) / 2
    special = np.concatenate([numbers, ties]).astype(np.float32)
    near = np.concatenate([special, np.nextafter(special, np.float32(0)), np.nextafter(special, np.float32(np.inf))])
    spread = np.random.default_rng(0).normal(size=4000) * 2.0 ** np.random.default_rng(1).integers(-20, 18, 4000)
    x = np.concatenate([near, spread]).astype(np.float32)
    return np.concatenate([x, -x])


@pytest.mark.parametrize("numbers", DTYPES)
def test_rounding_equals_ml_dtypes(numbers):
    dtype, largest = DTYPES[numbers], numbers.largest
    assert largest == float(ml_dtypes.finfo(dtype).max)
    assert numbers.max_exponent == int(np.floor(np.log2(largest)))
    x = probes(magnitudes(numbers))
    expected = np.clip(x, -largest, largest).astype(dtype).astype(np.float32)
    assert np.array_equal(numbers.round(x), expected)
    assert np.array_equal(numbers.round(torch.from_numpy(x)).numpy(), expected)
    assert np.array_equal(numbers.round(x.astype(np.float64)), expected)
    assert numbers.round(np.array([np.inf, -np.inf], np.float32)).tolist() == [largest, -largest]


@pytest.mark.parametrize("numbers", DTYPES)
def test_magnitudes_are_all_codes_of_ml_dtypes(numbers):
    bits = ml_dtypes.finfo(DTYPES[numbers]).bits
    codes = np.arange(1 << (bits - 1), dtype=np.uint8).view(DTYPES[numbers]).astype(np.float64)
    assert magnitudes(numbers).tolist() == codes[np.isfinite(codes)].tolist()


@pytest.mark.parametrize(("name", "dtype"), [("fp8_e4m3fn", torch.float8_e4m3fn), ("fp8_e5m2", torch.float8_e5m2)])
@pytest.mark.parametrize("rows", [1, 16])
def test_fp8_with_a_scale_equals_torchs_cast(name, dtype, rows):
    x = torch.randn(rows, 3000, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, rows)[:, None]
    member, top = FORMATS.create(name), torch.finfo(dtype).max
    low, high = x.amin(1).double().numpy(), x.amax(1).double().numpy() * 0.8
    scale, zero_point = member.parameters(low, high, "symmetric")
    assert scale == pytest.approx(np.maximum(abs(low), abs(high)) / top, rel=1e-7)
    assert not zero_point.any()
    scale = torch.from_numpy(scale)[:, None]
    theirs = (x / scale).clamp(-top, top).to(dtype).float() * scale
    assert torch.equal(member.fake_quantize(x, scale, torch.zeros(1, dtype=torch.int32), "symmetric"), theirs)
    half = x.bfloat16()
    expected = ((half.float() / scale).clamp(-top, top).to(dtype).float() * scale).bfloat16()
    assert torch.equal(member.fake_quantize(half, scale, torch.zeros(1), "symmetric"), expected)


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "fp8_e5m2"])
def test_fp8_has_no_zero_point_and_saturates(name):
    member = FORMATS.create(name)
    for scheme in ("affine", "symmetric"):
        scale, zero_point = member.parameters(np.array([-1.0]), np.array([3.0]), scheme)
        assert zero_point.tolist() == [0]
        x = np.array([-50.0, 50.0, np.inf], np.float32)
        assert member.fake_quantize(x, scale, zero_point, scheme) == pytest.approx([-3, 3, 3])


@pytest.mark.parametrize(("name", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_half_formats_equal_torchs_cast(name, dtype):
    x = torch.from_numpy(probes(np.float32(2.0) ** np.arange(-30, 30)))
    x = torch.cat([x, torch.tensor([65504.0, 65519.9, 1e-8, -6e-8, 3e38, 3.4e38])])
    expected = x.to(dtype).float()
    assert torch.equal(FORMATS.create(name).fake_quantize_blocks(x), expected)
    assert np.array_equal(FORMATS.create(name).fake_quantize_blocks(x.numpy()), expected.numpy())


def test_fp16_overflows_as_a_cast_does():
    x = torch.tensor([65519.0, 65520.0, -1e6])
    assert FORMATS.create("fp16").fake_quantize_blocks(x).tolist() == [65504, float("inf"), float("-inf")]


@pytest.mark.parametrize("spec", MX)
@pytest.mark.parametrize("length", [32, 96, 41, 9])
def test_microscaling_follows_the_specification(spec, length):
    """OCP MX v1.0, section 6.3, written out block by block with ml_dtypes."""
    dtype, max_exponent = MX[spec]
    rng = np.random.default_rng(length)
    x = (rng.standard_t(3, size=(20, length)) * 2.0 ** rng.integers(-30, 30, (20, 1))).astype(np.float32)
    x[0] = 0
    expected, largest = np.zeros_like(x), float(ml_dtypes.finfo(dtype).max)
    for row in range(len(x)):
        for start in range(0, length, 32):
            block = x[row, start : start + 32].astype(np.float64)
            top = np.abs(block).max()
            exponent = int(np.floor(np.log2(top))) - max_exponent if top else -127
            scale = float(np.float64(2.0**exponent).astype(ml_dtypes.float8_e8m0fnu))
            elements = np.clip(block / scale, -largest, largest).astype(np.float32).astype(dtype)
            expected[row, start : start + 32] = elements.astype(np.float64) * scale
    assert np.array_equal(FORMATS.create(spec).fake_quantize_blocks(x), expected)
    assert np.array_equal(FORMATS.create(spec).fake_quantize_blocks(torch.from_numpy(x)).numpy(), expected)


def test_mxfp4_saturates_the_top_of_a_block():
    x = np.array([[7.9, 5.0, 2.5, -0.25, 0.75]], np.float32)  # scale 1; 5, 2.5, 0.25 and 0.75 are ties
    assert FORMATS.create("mxfp4").fake_quantize_blocks(x).tolist() == [[6, 4, 2, 0, 1]]


@pytest.mark.parametrize("length", [16, 64, 23])
def test_nvfp4_with_ml_dtypes(length):
    x = np.random.default_rng(0).standard_t(3, size=(12, length)).astype(np.float32)
    tensor_scale = np.abs(x).max() / np.float32(448 * 6)
    expected = np.zeros_like(x)
    for row in range(len(x)):
        for start in range(0, length, 16):
            block = x[row, start : start + 16]
            raw = np.abs(block).max() / np.float32(6) / tensor_scale
            scale = tensor_scale * np.clip(raw, 2**-6, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
            elements = np.clip(block / scale, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
            expected[row, start : start + 16] = elements * scale
    assert np.array_equal(FORMATS.create("nvfp4").fake_quantize_blocks(x), expected)


def test_nvfp4_takes_its_scale_over_each_sample_of_an_input():
    x = torch.randn(2, 64, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [1e7]])
    member = FORMATS.create("nvfp4")
    assert torch.equal(member.fake_quantize_blocks(x, samples=True)[0], member.fake_quantize_blocks(x[0]))
    lost = (member.fake_quantize_blocks(x)[0] - x[0]).norm() / x[0].norm()
    kept = (member.fake_quantize_blocks(x, samples=True)[0] - x[0]).norm() / x[0].norm()
    assert kept < 0.2 < lost


def test_nf4_levels_are_the_quantiles_of_qlora():
    """Dettmers et al. 2023: 8 and 9 quantiles of either side of a normal distribution, with an exact zero."""
    offset = 0.9677083
    positive = norm.ppf(np.linspace(offset, 0.5, 9)[:-1])
    negative = -norm.ppf(np.linspace(offset, 0.5, 8)[:-1])
    levels = np.sort(np.concatenate([positive, [0.0], negative]))
    assert pytest.approx(levels / levels.max(), abs=2e-7) == list(LEVELS)


@pytest.mark.parametrize("length", [64, 130, 7])
def test_nf4_takes_the_nearest_level_of_each_block(length):
    x = np.random.default_rng(0).normal(size=(5, length)).astype(np.float32)
    levels = np.array(LEVELS)
    expected = np.zeros_like(x)
    for start in range(0, length, 64):
        block = x[:, start : start + 64]
        top = np.abs(block).max(axis=1, keepdims=True)
        nearest = np.abs(block[..., None] / top[..., None] - levels).argmin(axis=-1)
        expected[:, start : start + 64] = levels.astype(np.float32)[nearest] * top
    assert np.array_equal(FORMATS.create("nf4").fake_quantize_blocks(x), expected)
    assert set(np.abs(expected).max(axis=1)) == set(np.abs(x).max(axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_are_exact(dtype):
    exponents = np.arange(-120, 120)
    powers = np.ldexp(np.ones(len(exponents), dtype), exponents)
    one_up, one_down = np.nextafter(powers, dtype(np.inf)), np.nextafter(powers, dtype(0))
    for kind in (np.asarray, torch.from_numpy):
        assert np.array_equal(power_of_two_below(kind(-powers)), powers)
        assert np.array_equal(power_of_two_below(kind(one_up)), powers)
        assert np.array_equal(power_of_two_below(kind(one_down)), powers / 2)
        assert np.array_equal(power_of_two_above(kind(powers)), powers)
        assert np.array_equal(power_of_two_above(kind(one_up)), powers * 2)
        assert np.array_equal(power_of_two_above(kind(one_down)), powers)
    assert power_of_two_below(np.array([0.0, np.inf, np.nan], dtype)).tolist() == [0, np.inf, np.inf]


def test_formats_are_ordered_by_their_error_on_a_normal_distribution():
    """More bits and smaller blocks lose less; the SQNR is in dB."""
    x = np.random.default_rng(0).normal(size=(64, 1024)).astype(np.float32)

    def sqnr_db(spec):
        member = FORMATS.create(spec)
        if member.needs_range:
            low, high = x.min(1, keepdims=True).astype(float), x.max(1, keepdims=True).astype(float)
            y = member.fake_quantize(x, *member.parameters(low, high, "symmetric"), "symmetric")
        else:
            y = member.fake_quantize_blocks(x)
        return 10 * np.log10(np.sum(x.astype(float) ** 2) / np.sum((x.astype(float) - y) ** 2))

    order = ["int4", "mxfp4", "nf4", "mxfp6", "fp8_e5m2", "fp8_e4m3fn", "int8", "bf16", "fp16"]
    scores = [sqnr_db(spec) for spec in order]
    assert all(later > earlier for earlier, later in pairwise(scores)), dict(zip(order, scores, strict=True))
    assert sqnr_db("nvfp4") > sqnr_db("mxfp4") + 1
    assert sqnr_db("mxfp6:element=e2m3") > sqnr_db("mxfp6")
