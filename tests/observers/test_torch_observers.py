"""Ranges against torch.ao's observers where the definitions agree."""

import numpy as np
import pytest
import torch
from torch.ao.quantization import observer as ao

from qdash.quant.statistics import Statistics
from qdash.registry import family

OBSERVERS, FORMATS = family("observers"), family("formats")


def batches(seed: int = 0, count: int = 12) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(8, 32, generator=generator) * (1 + i / 5) + 0.3 for i in range(count)]


def statistics(parts: list[torch.Tensor]) -> Statistics:
    exact = Statistics.from_values(torch.cat(parts).reshape(1, -1).numpy())
    lows, highs = (np.array([[float(f(part))] for part in parts]) for f in (torch.min, torch.max))
    return Statistics(exact.minimum, exact.maximum, lows, highs, exact.cells, exact=True)


def test_min_max():
    parts, theirs = batches(), ao.MinMaxObserver()
    for part in parts:
        theirs(part)
    low, high = OBSERVERS.create("min_max").clipping_range(statistics(parts), FORMATS.create("uint8"), "affine")
    assert (low[0], high[0]) == (float(theirs.min_val), float(theirs.max_val))
    scale, zero_point = FORMATS.create("uint8").parameters(low, high, "affine")
    torch_scale, torch_zero_point = theirs.calculate_qparams()
    assert scale[0] == pytest.approx(float(torch_scale), rel=1e-6)
    assert zero_point[0] == int(torch_zero_point)


@pytest.mark.parametrize("constant", [0.01, 0.3])
def test_moving_average(constant):
    parts, theirs = batches(), ao.MovingAverageMinMaxObserver(averaging_constant=constant)
    for part in parts:
        theirs(part)
    ours = OBSERVERS.create(f"moving_average:averaging_constant={constant}")
    low, high = ours.clipping_range(statistics(parts), FORMATS.create("uint8"), "affine")
    assert [low[0], high[0]] == pytest.approx([float(theirs.min_val), float(theirs.max_val)], rel=1e-6)


def test_per_channel_min_max():
    weight = torch.randn(16, 40, generator=torch.Generator().manual_seed(3))
    theirs = ao.PerChannelMinMaxObserver(ch_axis=0, dtype=torch.qint8, qscheme=torch.per_channel_affine)
    theirs(weight)
    low, high = OBSERVERS.create("min_max").clipping_range(
        Statistics.from_values(weight.numpy()), FORMATS.create("int8"), "affine"
    )
    assert np.array_equal(low, theirs.min_val.numpy())
    assert np.array_equal(high, theirs.max_val.numpy())
    scale, zero_point = FORMATS.create("int8").parameters(low, high, "affine")
    torch_scale, torch_zero_point = theirs.calculate_qparams()
    assert scale == pytest.approx(torch_scale.numpy(), rel=1e-6)
    assert zero_point.tolist() == torch_zero_point.tolist()


@pytest.mark.parametrize("data", ["normal", "laplace", "relu", "outlier", "skewed"])
def test_mse_is_never_worse_than_torchs_histogram_observer(data):
    generator = np.random.default_rng(1)
    x = {
        "normal": generator.normal(size=20_000),
        "laplace": generator.laplace(size=20_000),
        "relu": np.maximum(generator.normal(size=20_000), 0),
        "outlier": np.append(generator.normal(size=20_000), 60.0),
        "skewed": generator.gamma(2, size=20_000) - 1,
    }[data].astype(np.float32)
    theirs = ao.HistogramObserver()
    theirs(torch.from_numpy(x))
    scale, zero_point = (part.numpy() for part in theirs.calculate_qparams())
    member, exact = FORMATS.create("uint8"), Statistics.from_values(x[None])
    low, high = OBSERVERS.create("mse").clipping_range(exact, member, "affine")
    ours = member.squared_error(exact.cells, low[:, None], high[:, None], "affine")[0, 0]
    wide = x.astype(np.float64)
    assert ours <= np.sum((wide - member.fake_quantize(wide, scale, zero_point, "affine")) ** 2)
