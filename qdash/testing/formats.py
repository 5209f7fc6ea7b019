"""Laws of formats: what rounding to a grid may do to values, on NumPy arrays and torch tensors alike."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from qdash.formats.base import Format, ScaledFormat, SelfScaledFormat
from qdash.quant.cells import Cells
from qdash.testing.laws import Laws

Rounding = Callable[[Any], Any]
OTHER_SHAPES = ((2, 40), (0, 5), (5, 0), (0,), (2, 0, 3))
BLOCK = 16  # values: no published block is shorter


def values(length: int = 8, largest: float = 1e6) -> np.ndarray:
    """(90, length) float32 of all magnitudes up to `largest`; some rows with one sign, ties, one value, or zeros."""
    rng = np.random.default_rng(length)
    x = rng.normal(size=(90, length)) * np.exp2(rng.uniform(-40, np.log2(largest) - 3, (90, 1)))
    x[20:30], x[30:40], x[40:50] = abs(x[20:30]), -abs(x[30:40]), np.round(x[40:50] * 2) / 2
    x[50:60], x[60] = x[50:60, :1], 0
    return np.clip(x, -largest, largest).astype(np.float32)


class FormatLaws(Laws):
    """What scaled and self-scaled formats have in common; `schemes` are those that the kind of format knows."""

    family: ClassVar[str] = "formats"
    schemes: ClassVar[Sequence[str]] = ("",)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Once for each name, and for each scheme where it matters."""
        super().pytest_generate_tests(metafunc)
        if "scheme" in metafunc.fixturenames:
            metafunc.parametrize("scheme", self.schemes)

    @abstractmethod
    def fitted(self, member: Any, x: np.ndarray, scheme: str) -> tuple[np.ndarray, Rounding]:
        """`x` as the grid takes it, and the rounding to a grid that fits each row."""

    def test_rounding_twice_changes_nothing_more(self, member: Format, scheme: str) -> None:
        x, rounding = self.fitted(member, values(), scheme)
        once = rounding(x)
        assert rounding(once) == pytest.approx(once, rel=4 * float(np.finfo(np.float32).eps), abs=0)

    def test_zero_shape_and_dtype_are_kept(self, member: Format, scheme: str) -> None:
        x = values()
        x[:, 0] = 0
        x, rounding = self.fitted(member, x, scheme)
        assert not rounding(x)[:, 0].any()
        assert (rounding(x).shape, rounding(x).dtype) == (x.shape, x.dtype)

    def test_torch_and_numpy_agree_to_the_bit(self, member: Format, scheme: str) -> None:
        x, rounding = self.fitted(member, values(70), scheme)
        assert np.array_equal(rounding(torch.from_numpy(x)).numpy(), rounding(x))

    def test_nan_stays_nan(self, member: Format, scheme: str) -> None:
        x, rounding = self.fitted(member, np.ones((2, 3), np.float32), scheme)
        x[0, 1] = np.nan
        for given in (x, torch.from_numpy(x)):
            rounded = np.asarray(rounding(given))
            assert np.isnan(rounded[0, 1])
            assert np.isfinite(rounded[1]).all()

    def test_a_larger_value_is_never_rounded_to_a_smaller_one(self, member: Format, scheme: str) -> None:
        x, rounding = self.fitted(member, values(BLOCK), scheme)
        assert np.all(np.diff(rounding(np.sort(x, axis=1))) >= 0)

    def test_values_go_to_the_nearest_level_of_at_most_two_to_the_bits(self, member: Format, scheme: str) -> None:
        """The levels are those that a dense row of values goes to; every block holds the ends of the range."""
        if member.lossless:
            return
        x = np.linspace(-1, 1, 14 * 20_000, dtype=np.float32).reshape(-1, 14)
        x = np.pad(x, ((0, 0), (1, 1)), constant_values=(-1, 1)).reshape(1, -1)
        x, rounding = self.fitted(member, x, scheme)
        levels = np.unique(rounding(x))
        assert len(levels) <= 2**member.bits_per_value
        above = levels[np.clip(np.searchsorted(levels, x), 0, len(levels) - 1)]
        below = levels[np.clip(np.searchsorted(levels, x, side="right") - 1, 0, len(levels) - 1)]
        nearest = np.minimum(abs(above - x), abs(below - x))
        assert np.all(abs(rounding(x) - x) <= nearest + 1e-6)  # of a range of 1: ties, and float32

    def test_storage_is_what_its_values_take(self, member: Format) -> None:
        assert member.bits_per_value > 0
        assert member.storage_bits(3, 5) >= 3 * 5 * member.bits_per_value - 1e-9
        assert member.lossless == bool(member.bits_per_value >= 32)


class ScaledFormatLaws(FormatLaws):
    """Formats that an observer chooses a range for (`needs_range`)."""

    schemes: ClassVar[Sequence[str]] = ("affine", "symmetric")

    def fitted(self, member: ScaledFormat, x: np.ndarray, scheme: str) -> tuple[np.ndarray, Rounding]:
        """With the whole range of each row."""
        x = fit(member, x, scheme)
        scale, zero_point = member.parameters(*ends(np.nan_to_num(x)), scheme)

        def rounding(given: Any) -> Any:
            scales, zeros = (scale, zero_point) if isinstance(given, np.ndarray) else tensors(scale, zero_point)
            return member.fake_quantize(given, scales, zeros, scheme)

        return x, rounding

    def test_parameters_are_float32_scales_and_int32_zero_points(self, member: ScaledFormat, scheme: str) -> None:
        scale, zero_point = member.parameters(*ends(fit(member, values(), scheme)), scheme)
        assert scale.shape == zero_point.shape == (90, 1)
        assert scale.dtype == np.float32
        assert zero_point.dtype == np.int32
        assert np.all((scale > 0) & np.isfinite(scale))
        assert member.has_zero_point or not zero_point.any()
        assert scheme == "affine" or not zero_point.any()

    @pytest.mark.parametrize("power_of_two", [False, True])
    def test_live_parameters_are_parameters(self, member: ScaledFormat, scheme: str, power_of_two: bool) -> None:
        x = fit(member, values(), scheme)
        expected = member.parameters(*ends(x), scheme, power_of_two)
        low, high = tensors(*ends(x))
        found = member.live_parameters(low, high, scheme, power_of_two)
        for ours, live in zip(expected, found, strict=True):
            assert np.array_equal(live.numpy(), ours)
        assert not power_of_two or np.all(np.frexp(expected.scale)[0] == 0.5)

    def test_inside_the_range_the_error_is_at_most_half_a_step(self, member: ScaledFormat, scheme: str) -> None:
        x, rounding = self.fitted(member, values(2000)[:8], scheme)
        low, high = ends(x)
        grids = rounding(np.linspace(low[:, 0], high[:, 0], 100_001, axis=1, dtype=np.float32))
        for error, grid in zip(abs(rounding(x) - x), grids, strict=True):
            step = np.diff(np.unique(grid)).max()
            assert error.max() <= 0.51 * step  # 16 bits of a float32 value leave a step's hundredth

    def test_squared_error_is_that_of_fake_quantize(self, member: ScaledFormat, scheme: str) -> None:
        x, rounding = self.fitted(member, values(), scheme)
        wide = x.astype(np.float64)
        ours = member.squared_error(Cells(wide, wide, np.ones_like(wide)), *ends(x), scheme)
        exact = ((wide - rounding(wide)) ** 2).sum(axis=1, keepdims=True)
        assert ours == pytest.approx(exact, rel=1e-6, abs=1e-12)

    def test_level_edges_part_the_range(self, member: ScaledFormat, scheme: str) -> None:
        for one_sided in (False, True):
            edges = member.level_edges(scheme, one_sided)
            assert (edges[0], edges[-1]) == (0, 1)
            assert np.all(np.diff(edges) > 0)


class SelfScaledFormatLaws(FormatLaws):
    """Formats without a scale, or with scales that come from the values, block by block."""

    def fitted(self, member: SelfScaledFormat, x: np.ndarray, scheme: str) -> tuple[np.ndarray, Rounding]:
        """Nothing is to be fitted; every row is a sample."""
        return np.clip(x, -6e4, 6e4), partial(member.fake_quantize_blocks, samples=True)

    def test_zeros_and_empty_tensors(self, member: SelfScaledFormat) -> None:
        for shape in OTHER_SHAPES:
            x = torch.zeros(shape)
            assert torch.equal(member.fake_quantize_blocks(x, samples=True), x)
            assert np.array_equal(member.fake_quantize_blocks(x.numpy()), x.numpy())
        assert member.fake_quantize_blocks(torch.tensor(1.0)).shape == ()

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_stays_visible(self, member: SelfScaledFormat, bad: float) -> None:
        x = np.ones((2, 80), np.float32)
        x[1, 7] = bad
        on_torch = member.fake_quantize_blocks(torch.from_numpy(x), samples=True)
        for y in (member.fake_quantize_blocks(x, samples=True), on_torch.numpy()):
            assert not np.isfinite(y[1, 7])
            assert np.isfinite(y[0]).all()

    @pytest.mark.parametrize("largest", [1e-44, 1e-38, 1e30, 3e38])
    def test_extreme_magnitudes_are_never_nan(self, member: SelfScaledFormat, largest: float) -> None:
        x = (np.random.default_rng(0).uniform(-1, 1, (2, 90)) * largest).astype(np.float32)
        y = member.fake_quantize_blocks(x)
        assert not np.isnan(y).any()
        assert np.array_equal(member.fake_quantize_blocks(torch.from_numpy(x)).numpy(), y)

    def test_blocks_lie_along_the_axis_and_short_ones_are_allowed(self, member: SelfScaledFormat) -> None:
        x = torch.randn(3, 50, 4, 5, generator=torch.Generator().manual_seed(0))
        along_channels = member.fake_quantize_blocks(x, axis=1, samples=True)
        for sample, quantized in zip(x, along_channels, strict=True):
            rows = sample.movedim(0, -1).reshape(-1, 50)
            assert torch.equal(quantized.movedim(0, -1).reshape(-1, 50), member.fake_quantize_blocks(rows))
        assert along_channels.stride() == x.stride()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_inputs_and_memory_formats_are_kept(
        self, member: SelfScaledFormat, dtype: torch.dtype
    ) -> None:
        x = torch.randn(2, 33, 4, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        y = member.fake_quantize_blocks(x, axis=1)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(y, member.fake_quantize_blocks(x.float(), axis=1).to(dtype))

    def test_samples_do_not_see_each_other(self, member: SelfScaledFormat) -> None:
        x = torch.randn(4, 6, 48, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 3, 4).view(4, 1, 1)
        together = member.fake_quantize_blocks(x, samples=True)
        alone = torch.cat([member.fake_quantize_blocks(sample[None], samples=True) for sample in x])
        assert torch.equal(together, alone)


def fit(member: ScaledFormat, x: np.ndarray, scheme: str) -> np.ndarray:
    """Without negative values where the grid has none."""
    return np.abs(x) if scheme == "symmetric" and not member.has_negative_numbers else x


def ends(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The range of each row, float64."""
    wide = x.astype(np.float64)
    low: np.ndarray = wide.min(axis=-1, keepdims=True)
    high: np.ndarray = wide.max(axis=-1, keepdims=True)
    return low, high


def tensors(first: np.ndarray, second: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """As torch tensors."""
    return torch.from_numpy(first), torch.from_numpy(second)
