"""Batches of other shapes are kept as they came."""

import numpy as np
import pytest
import torch

from qdash.errors import DataError
from qdash.tensors.kept_batches import KeptBatches, from_stream
from qdash.tensors.samples import ArraySamples


def ragged():
    """Batches of 2, 3 and 1 samples, of other lengths; sample i holds i."""
    sizes, lengths, start = (2, 3, 1), (4, 2, 4), (0, 2, 5)
    return [
        (torch.arange(s, s + n).view(-1, 1).expand(n, m).float(), torch.arange(s, s + n))
        for s, n, m in zip(start, sizes, lengths, strict=True)
    ]


def test_batches_of_other_shapes_are_kept_as_they_came():
    samples = from_stream(ragged(), "it")
    assert isinstance(samples, KeptBatches)
    assert len(samples) == 6
    assert samples.labels().tolist() == list(range(6))
    groups = samples.groups(np.array([4, 0, 2, 5, 1, 3]), 2)
    assert [group.tolist() for group in groups] == [[4, 2], [3], [0, 1], [5]]
    for group in groups:
        batch = samples.batch(group.tolist())
        assert batch.args[0][:, 0].tolist() == group.tolist() == batch.target.tolist()
    assert len(set(samples.digests(range(6)))) == 6


def test_batches_of_one_shape_are_joined():
    samples = from_stream([(torch.ones(2, 3), torch.zeros(2)), (torch.ones(4, 3), torch.zeros(4))], "it")
    assert isinstance(samples, ArraySamples)
    assert len(samples) == 6


def test_a_batch_without_a_sample_axis_is_refused():
    with pytest.raises(DataError, match=r"it, batch 0: an input is a single number"):
        from_stream([(torch.tensor(1.0), torch.zeros(2))], "it")
