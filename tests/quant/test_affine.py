"""The affine map against its definition, torch's own operations and the extremes of float32."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdash.quant.affine import affine_parameters, fake_quantize, symmetric_parameters

few = settings(max_examples=50, deadline=None)

BITS = [2, 3, 4, 6, 8, 16]
LARGEST = float(np.finfo(np.float32).max)
finite = st.floats(-LARGEST, LARGEST, width=32)


def one_step_apart_only_at_ties(ours: torch.Tensor, theirs: torch.Tensor, x: torch.Tensor, scale: torch.Tensor) -> None:
    """torch multiplies by a rounded reciprocal: the quotient is off by a few units in the last place of float32."""
    t = x.double() / scale.double()
    to_tie = ((t - t.floor()) - 0.5).abs()
    differs = ours != theirs
    assert torch.all((ours - theirs).abs() <= 1.001 * scale.expand_as(x))
    assert torch.all(to_tie[differs] <= 1e-6 * t[differs].abs().clamp(min=1))
    assert differs.double().mean() < 1e-3


@pytest.mark.parametrize(("q_min", "q_max"), [(-128, 127), (0, 255), (-2, 1), (-8, 7)])
def test_per_tensor_equals_torch(q_min, q_max):
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * 3 + 1
    scale, zero_point = affine_parameters(np.float64(-4.0), np.float64(7.5), q_min, q_max)
    theirs = torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero_point), q_min, q_max)
    scale_tensor = torch.tensor(float(scale))
    ours = fake_quantize(x, scale_tensor, torch.tensor(int(zero_point)), q_min, q_max)
    one_step_apart_only_at_ties(ours, theirs, x, scale_tensor)


def test_per_channel_equals_torch():
    x = torch.randn(16, 5000, generator=torch.Generator().manual_seed(1))
    low, high = x.amin(1).double().numpy() * 0.7, x.amax(1).double().numpy() * 0.6
    scale, zero_point = (torch.from_numpy(part) for part in affine_parameters(low, high, 0, 255))
    theirs = torch.fake_quantize_per_channel_affine(x, scale, zero_point, 0, 0, 255)
    ours = fake_quantize(x, scale[:, None], zero_point[:, None], 0, 255)
    one_step_apart_only_at_ties(ours, theirs, x, scale[:, None])


def test_rounds_half_to_even_before_the_zero_point_is_added():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    assert fake_quantize(x, np.float32(1), np.int32(3), 0, 255).tolist() == [0, 2, 2, 0, -2]


@pytest.mark.parametrize("bits", BITS)
@few
@given(low=finite, high=finite)
def test_affine_range_holds_zero_and_stays_finite(bits, low, high):
    low, high = min(low, high), max(low, high)
    q_max = 2**bits - 1
    scale, zero_point = affine_parameters(np.array([low]), np.array([high]), 0, q_max)
    ends = (np.array([0, q_max]) - zero_point).astype(np.float32) * scale
    assert scale.dtype == np.float32
    assert np.finfo(np.float32).tiny <= scale[0] < np.inf
    assert 0 <= zero_point[0] <= q_max
    assert np.isfinite(ends).all()
    assert (scale[0] == 1) or low != 0 or high != 0


@few
@given(low=st.floats(-1e4, -1e-3), high=st.floats(1e-3, 1e4))
def test_affine_parameters_follow_the_definition(low, high):
    scale, zero_point = affine_parameters(np.array([low]), np.array([high]), -128, 127)
    assert scale[0] == np.float32((high - low) / 255)
    assert abs(zero_point[0] - (-128 - low / float(scale[0]))) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("low", "high"),
    [(-3e38, 3e38), (0, LARGEST), (-LARGEST, 0), (-LARGEST, LARGEST), (0, 1e-44), (-1e-44, 1e-45), (5, 7)],
)
@pytest.mark.parametrize("bits", BITS)
def test_extreme_ranges_reconstruct_finitely(low, high, bits):
    x = np.array([low, 0, high], np.float32)
    for scale, zero_point, q_min, q_max in (
        (*affine_parameters(np.float64(low), np.float64(high), 0, 2**bits - 1), 0, 2**bits - 1),
        (
            *symmetric_parameters(np.float64(low), np.float64(high), 2 ** (bits - 1) - 1),
            -(2 ** (bits - 1)) + 1,
            2 ** (bits - 1) - 1,
        ),
    ):
        y = fake_quantize(x, scale, zero_point, q_min, q_max)
        assert np.isfinite(y).all()
        assert y[1] == 0
        assert np.all(np.abs(y.astype(float) - x) <= 1.01 * float(scale))  # the scale gives way at the end of float32


def test_only_the_empty_range_has_scale_one():
    assert [part.tolist() for part in affine_parameters(np.zeros(2), np.zeros(2), 0, 255)] == [[1, 1], [0, 0]]
    assert affine_parameters(np.float64(0), np.float64(255), 0, 255)[0] == 1
    assert symmetric_parameters(np.float64(0), np.float64(0), 127)[0] == 1
    assert affine_parameters(np.float64(0), np.float64(1e-44), 0, 255)[0] == np.finfo(np.float32).tiny


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_range_that_is_not_finite_makes_everything_nan(bad):
    low, high = np.array([min(bad, 0.0) if bad == bad else bad]), np.array([max(bad, 1.0) if bad == bad else 1.0])
    for scale, zero_point in (affine_parameters(low, high, 0, 255), symmetric_parameters(low, high, 127)):
        assert np.isnan(scale).all()
        assert np.isnan(fake_quantize(np.ones(1, np.float32), scale, zero_point, 0, 255)).all()


@few
@given(low=st.lists(finite, min_size=1, max_size=5), width=st.floats(0, 1e30))
def test_torch_and_numpy_parameters_are_one_function(low, width):
    low = np.array(low)
    high = low + width
    ours = affine_parameters(low, high, -128, 127)
    theirs = affine_parameters(torch.from_numpy(low), torch.from_numpy(high), -128, 127)
    assert [t.numpy().tolist() for t in theirs] == [part.tolist() for part in ours]
    assert [t.dtype for t in theirs] == [torch.float32, torch.int32]


def test_memory_format_and_dtype_are_kept():
    x = torch.randn(2, 8, 5, 5).to(memory_format=torch.channels_last)
    scale, zero_point = torch.full((1, 8, 1, 1), 0.1), torch.zeros(1, 8, 1, 1, dtype=torch.int32)
    assert fake_quantize(x, scale, zero_point, -128, 127).is_contiguous(memory_format=torch.channels_last)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        y = fake_quantize(x.to(dtype), scale, zero_point, -128, 127)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_is_rounded_once():
    x = torch.linspace(-1, 1, 999).bfloat16()
    scale = torch.tensor(1 / 32767)
    y = fake_quantize(x, scale, torch.tensor(0), -32767, 32767)
    assert torch.equal(y, fake_quantize(x.double(), scale, torch.tensor(0), -32767, 32767).bfloat16())


def test_the_input_is_not_written():
    for x in (torch.randn(100), torch.randn(100, dtype=torch.float64)):
        before = x.clone()
        fake_quantize(x, torch.tensor(0.3), torch.tensor(0), -2, 1)
        assert torch.equal(x, before)


@few
@given(low=finite, high=finite, symmetric=st.booleans())
@pytest.mark.parametrize("q_max", [1, 127, 255, 32767])
def test_power_of_two_scales_are_the_next_power_and_clip_nothing_more(q_max, low, high, symmetric):
    low, high = np.array([min(low, high, 0.0)]), np.array([max(low, high, 0.0)])

    def parameters(power_of_two, xp=np, kind=np.asarray):
        if symmetric:
            return symmetric_parameters(kind(low), kind(high), q_max, power_of_two)
        return affine_parameters(kind(low), kind(high), 0, q_max, power_of_two)

    (plain, _), (scale, zero_point) = parameters(False), parameters(True)
    assert np.frexp(scale[0])[0] == 0.5
    ends = (np.array([-q_max if symmetric else 0, q_max]) - zero_point).astype(np.float32) * scale
    assert np.isfinite(ends).all()
    if plain[0] < 2.0**126 / q_max:  # below the end of float32
        assert plain[0] <= scale[0] < 2 * plain[0]
        assert ends[0] <= low[0] + scale[0] / 2
        assert ends[1] >= high[0] - scale[0] / 2
    on_torch = parameters(True, torch, torch.from_numpy)
    assert [part.tolist() for part in on_torch] == [scale.tolist(), zero_point.tolist()]


def test_a_range_that_is_not_finite_has_no_power_of_two_either():
    for low, high in ((np.nan, 1.0), (0.0, np.inf)):
        scale, _ = affine_parameters(np.array([low]), np.array([high]), 0, 255, power_of_two=True)
        assert np.isnan(scale).all()
    assert symmetric_parameters(np.zeros(1), np.zeros(1), 127, power_of_two=True)[0].tolist() == [1]
