"""Laws of granularities: a tensor comes apart into rows that share a scale, and together again."""

from contextlib import suppress
from typing import ClassVar

import numpy as np
import pytest
import torch

from qdash.errors import SpecError
from qdash.granularities.base import Granularity
from qdash.registry import family
from qdash.testing.laws import Laws

SHAPES = ((3, 128), (3, 1, 128), (3, 2, 128), (3, 4, 2, 128), (1, 5), (4, 7, 3))
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
axes = pytest.mark.parametrize("axis", [0, 1, -1])


class GranularityLaws(Laws):
    """Over weights and inputs of several shapes and channel axes."""

    family: ClassVar[str] = "granularities"

    @shapes
    @axes
    def test_restore_undoes_rows(self, member: Granularity, shape: tuple[int, ...], axis: int) -> None:
        x = numbered(shape)
        rows = member.rows(x, axis)
        assert rows.ndim == 2
        assert np.array_equal(member.restore(rows, x.shape, axis), x)
        for tensor in (torch.from_numpy(x), torch.from_numpy(x).transpose(0, 1)):
            restored = member.restore(member.rows(tensor, axis), tuple(tensor.shape), axis)
            assert torch.equal(restored, tensor)
        assert np.array_equal(np.asarray(member.rows(torch.from_numpy(x), axis)), rows)

    @shapes
    @axes
    def test_quantized_by_rows_is_quantized_scale_by_scale(
        self, member: Granularity, shape: tuple[int, ...], axis: int
    ) -> None:
        """Each set of values that share a scale, one after the other, by the published formula."""
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        rows, int8 = member.rows(x, axis), family("formats").create("int8")
        top = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
        quantized = int8.fake_quantize(rows, *int8.parameters(-top, top, "symmetric"), "symmetric")
        found = member.restore(quantized, shape, axis)
        owner = member.restore(np.broadcast_to(np.arange(len(rows))[:, None], rows.shape), shape, axis)
        for row in np.unique(owner):
            own = x[owner == row]
            scale = np.float32(np.abs(own).astype(np.float64).max() / 127)
            assert found[owner == row] == pytest.approx(np.round(own / scale) * scale, abs=1e-6)

    @pytest.mark.parametrize(("channels", "length"), [(1, 1), (8, 300), (3, 128), (4, 5)])
    def test_a_weight_has_as_many_scales_as_rows(self, member: Granularity, channels: int, length: int) -> None:
        assert len(member.rows(np.zeros((channels, length)))) == member.scales(channels, length)

    @shapes
    @axes
    def test_reduced_axes_give_the_extremes_of_the_rows(
        self, member: Granularity, shape: tuple[int, ...], axis: int
    ) -> None:
        x = np.random.default_rng(0).normal(size=shape)
        with suppress(SpecError):
            highest = x.max(axis=member.reduced(x.ndim, axis), keepdims=True)
            assert highest.ravel().tolist() == member.rows(x, axis).max(axis=1).tolist()

    def test_inputs_share_scales_only_by_whole_axes(self, member: Granularity) -> None:
        if member.calibrated_inputs or member.live_inputs:
            assert set(member.reduced(3)) <= {0, 1, 2}

    def test_a_range_that_is_fixed_for_inputs_knows_no_sample(self, member: Granularity) -> None:
        if member.calibrated_inputs:
            assert 0 in member.reduced(3)


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    """Every value is another."""
    return np.arange(float(np.prod(shape))).reshape(shape)
