"""Laws of data set sources."""

from itertools import combinations
from typing import ClassVar

import numpy as np

from qdash.datasets.base import DatasetSource
from qdash.tensors.samples import Samples
from qdash.tensors.trees import tensors
from qdash.testing.sources import SourceLaws

FEW = 5


class DatasetLaws(SourceLaws):
    """See `SourceLaws`."""

    family: ClassVar[str] = "datasets"

    def test_a_batch_holds_its_samples_along_axis_0_and_their_labels(self, member: DatasetSource) -> None:
        for samples in sets(member):
            batch = samples.batch(range(min(FEW, len(samples))))
            assert batch.size == min(FEW, len(samples)) > 0
            assert {len(tensor) for tensor in tensors([batch.args, batch.kwargs])} == {batch.size}
            assert batch.target is None or len(batch.target) == batch.size

    def test_a_sample_is_the_same_alone_in_any_order_and_when_loaded_again(self, member: DatasetSource) -> None:
        for samples, again in zip(sets(member), sets(member), strict=True):
            several = list(range(min(FEW, len(samples))))
            found = samples.digests(several)
            assert found[::-1] == samples.digests(several[::-1]) == again.digests(several)[::-1]

    def test_groups_hold_every_sample_once(self, member: DatasetSource) -> None:
        for samples in sets(member):
            indices = np.arange(len(samples))
            groups = samples.groups(indices, FEW)
            assert sorted(np.concatenate(groups).tolist()) == indices.tolist()
            assert max(map(len, groups)) <= FEW

    def test_labels_for_splits_are_one_integer_a_sample(self, member: DatasetSource) -> None:
        for samples in sets(member):
            labels = samples.labels()
            assert labels is None or labels.shape == (len(samples),)
            assert labels is None or np.issubdtype(labels.dtype, np.integer)

    def test_sets_that_it_keeps_apart_share_no_sample(self, member: DatasetSource) -> None:
        contents = [set(samples.digests(range(min(200, len(samples))))) for samples in sets(member)]
        assert not any(one & other for one, other in combinations(contents, 2))


def sets(member: DatasetSource) -> list[Samples]:
    """Evaluation, and calibration and training samples where the source keeps them apart."""
    return [samples for samples in member.load() if samples is not None]
