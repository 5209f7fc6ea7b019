"""The laws of formats over all that are scaled to a range, and what is particular to integers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qdash.errors import SpecError
from qdash.registry import family
from qdash.testing.formats import ScaledFormatLaws
from qdash.testing.laws import every_name

few = settings(max_examples=20, deadline=None)

FORMATS = family("formats")
SCALED = [name for name in every_name("formats") if FORMATS.create(name).needs_range]
values = arrays(np.float32, (3, 8), elements=st.floats(-1e6, 1e6, width=32))


def prepared(name: str, scheme: str, x: np.ndarray):
    """A member, its parameters for the rows of `x`, and `x` made fit for it."""
    member = FORMATS.create(name)
    if scheme == "symmetric" and not member.has_negative_numbers:
        x = np.abs(x)
    low, high = x.min(axis=1, keepdims=True).astype(np.float64), x.max(axis=1, keepdims=True).astype(np.float64)
    return member, x, *member.parameters(low, high, scheme)


class TestScaledFormats(ScaledFormatLaws):
    names = SCALED


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8, 16])
def test_limits(bits):
    signed, unsigned = FORMATS.create(f"int{bits}"), FORMATS.create(f"uint{bits}")
    top = 2 ** (bits - 1) - 1
    assert signed.limits("symmetric") == (-top, top)
    assert signed.limits("affine") == (-top - 1, top)
    assert unsigned.limits("symmetric") == unsigned.limits("affine") == (0, 2**bits - 1)
    assert signed.bits_per_value == unsigned.bits_per_value == bits


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@few
@given(x=values)
def test_affine_signed_and_unsigned_score_alike(bits, x):
    results = []
    for name in (f"int{bits}", f"uint{bits}"):
        member, x, scale, zero_point = prepared(name, "affine", x)
        results.append(member.fake_quantize(x, scale, zero_point, "affine"))
    assert results[0] == pytest.approx(results[1], rel=1e-6, abs=1.0001 * float(scale.max()))
    steps = np.abs(results[0] - results[1]) / scale
    assert np.all(np.minimum(steps, np.abs(steps - 1)) < 1e-2)


def test_symmetric_unsigned_refuses_negative_data():
    with pytest.raises(SpecError, match=r"uint8 symmetric: the range starts at -1.5, below 0; use int8 or the affine"):
        FORMATS.create("uint8").parameters(np.array([-1.5]), np.array([2.0]), "symmetric")
    with pytest.raises(SpecError, match="uint4"):
        FORMATS.create("uint4").live_parameters(torch.tensor([-1.0]), torch.tensor([1.0]), "symmetric")
    assert FORMATS.create("uint8").parameters(np.zeros(1), np.full(1, 255.0), "symmetric").scale[0] == 1


def test_symmetric_is_narrow_also_where_values_are_clipped():
    member = FORMATS.create("int8")
    scale, zero_point = member.parameters(np.array([-127.0]), np.array([127.0]), "symmetric")
    x = np.array([-1000.0, 1000.0], np.float32)
    assert member.fake_quantize(x, scale, zero_point, "symmetric").tolist() == [-127, 127]
    int2 = FORMATS.create("int2")
    assert int2.fake_quantize(x, np.float32(1), np.int32(0), "symmetric").tolist() == [-1, 1]


def test_level_edges():
    def levels(name, scheme, one_sided):
        return len(FORMATS.create(name).level_edges(scheme, one_sided)) - 1

    assert levels("int8", "symmetric", True) == 128  # as TensorRT
    assert levels("int8", "affine", False) == levels("uint8", "affine", False) == 128
    assert levels("int8", "affine", True) == levels("uint8", "symmetric", True) == 256
    assert levels("fp8_e4m3fn", "symmetric", True) == 127  # 0x00 … 0x7E
    assert levels("fp8_e5m2", "symmetric", True) == 124  # 0x00 … 0x7B


def test_identity_is_lossless():
    member, x = FORMATS.create("identity"), torch.randn(4, 4)
    assert member.lossless
    assert member.bits_per_value == 32
    assert member.fake_quantize_blocks(x) is x
