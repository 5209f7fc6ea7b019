"""The calibration pass: exact extremes, fixed bins, and how far a subsampled range may be from the full one."""

import numpy as np
import pytest
import torch

import qdash.engine.calibrate
from qdash.calibration.ranges import clipping_range
from qdash.calibration.summaries import Calibration
from qdash.demo.data import digits
from qdash.demo.networks import build
from qdash.engine.calibrate import TensorObserver, calibrate, subsampling
from qdash.instrument.calls import Instrument
from qdash.sweep.prepare.layers import kinds_of
from qdash.tensors.bin_counts import counting
from qdash.tensors.channel_range import channel_range
from qdash.tensors.samples import Batch


def summary_of(parts, axis=1, seed=0):
    observer = TensorObserver(axis, subsampling(seed), counting(1))
    for part in parts:
        observer.update(part)
    return observer.summary()


def test_extremes_are_exact_overall_per_batch_and_per_channel():
    x = torch.randn(48, 5, 7, 7) * torch.arange(1, 6).view(1, 5, 1, 1)
    found = summary_of(x.split(16))
    assert found.minimum == x.min()
    assert found.maximum == x.max()
    assert np.array_equal(found.batch_maximum, [part.max().item() for part in x.split(16)])
    assert np.array_equal(found.channel_minimum, x.amin((0, 2, 3)).double().numpy())


def test_small_tensors_are_counted_whole_and_in_any_order():
    x = torch.randn(60, 3, 4, 4)
    forward, backward = summary_of(x.split(20)), summary_of(x.flip(0).split(15))
    assert forward.counts.sum() == x.numel()
    assert np.array_equal(forward.bins, backward.bins)
    assert np.array_equal(forward.counts, backward.counts)


def test_one_outlier_changes_one_bin():
    x = torch.randn(1000, 8)
    y = torch.cat([x, torch.full((1, 8), 1e30)])
    plain, spoilt = summary_of([x], -1), summary_of([y], -1)
    assert len(spoilt.bins) == len(plain.bins) + 1
    assert spoilt.maximum == pytest.approx(1e30)


def test_a_calibration_survives_its_file(tmp_path):
    model = build("digits-resnet")
    x = torch.from_numpy(digits("calibration")[0][:32])
    with Instrument(model) as instrument:
        kinds = kinds_of(instrument.modules)
        found = calibrate(instrument, kinds, [Batch((x,), {}, None, 32)], seed=0)
    found.save(tmp_path / "c.npz")
    again = Calibration.load(tmp_path / "c.npz")
    assert list(again.layers) == list(found.layers)
    for layer in found.layers:
        first, second = found.layers[layer].input, again.layers[layer].input
        assert first.minimum == second.minimum
        assert np.array_equal(first.counts, second.counts)
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("shape", ["gaussian", "rectified", "laplace"])
@pytest.mark.parametrize(("observer", "tolerance"), [("mse", 0.03), ("percentile", 0.04), ("entropy", 0.16)])
def test_a_subsampled_range_stays_close_to_the_full_one(observer, tolerance, shape, monkeypatch):
    """Four batches of a million values, a thirtieth of which is kept; `docs/definitions.md` states the differences."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(128, 16, 44, 44, generator=generator)
    if shape == "rectified":
        x = x.relu()
    if shape == "laplace":
        x = x.sign() * -torch.rand(x.shape, generator=generator).clamp_min(1e-9).log()

    def upper_end(values):
        monkeypatch.setattr(qdash.engine.calibrate, "VALUES_PER_BATCH", values)
        statistics = summary_of(x.split(32)).statistics()
        return clipping_range(statistics, observer, "int8", "affine")[1][0]

    sampled, full = upper_end(1 << 15), upper_end(1 << 40)
    assert abs(sampled / full - 1) <= tolerance


@pytest.mark.parametrize(
    "shape", [(40, 3, 5, 5), (2, 16, 8, 8), (7, 12, 9, 9), (4, 64, 3, 3), (5, 10), (40,), (3, 7, 24), ()]
)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channel_ranges_agree_with_numpy(shape, axis):
    if shape and axis >= len(shape):
        return
    x = torch.randn(shape)
    layouts = [x, x.transpose(0, -1)] if x.dim() > 1 else [x]
    layouts += [x.to(memory_format=torch.channels_last), x[::2]] if x.dim() == 4 else []
    for tensor in layouts:
        rest = tuple(d for d in range(tensor.dim()) if d != axis % max(tensor.dim(), 1))
        low, high = channel_range(tensor, axis)
        assert np.array_equal(low, tensor.numpy().min(rest).reshape(-1))
        assert np.array_equal(high, tensor.numpy().max(rest).reshape(-1))


@pytest.mark.parametrize("tensors", [1, 1000])
def test_counts_of_batches_add_up(tensors):
    rng, counts = np.random.default_rng(0), counting(tensors)(torch.device("cpu"))
    batches = [rng.integers(0, 65_536, 500) if i else rng.integers(60_000, 60_010, 500) for i in range(4)]
    for batch in batches:
        counts.add(torch.from_numpy(batch.astype(np.int32)))
    bins, found = counts.used()
    expected = np.unique(np.concatenate(batches), return_counts=True)
    assert np.array_equal(bins, expected[0])
    assert np.array_equal(found, expected[1])
