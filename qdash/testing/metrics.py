"""Laws of metrics: one outcome a sample, whatever stands beside it in the batch."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from qdash.metrics.base import Metric
from qdash.testing.laws import Laws

SAMPLES, CLASSES = 24, 7


class MetricLaws(Laws):
    """Over class scores and labels, or numbers and targets, as `needs_classes` says."""

    family: ClassVar[str] = "metrics"

    def test_an_outcome_for_every_sample(self, member: Metric) -> None:
        found = member.outcomes(*drawn(member))
        assert found.shape == (SAMPLES,)
        assert found.is_floating_point()
        assert torch.isfinite(found).all()

    def test_binary_outcomes_are_hits_and_misses(self, member: Metric) -> None:
        found = set(member.outcomes(*drawn(member)).tolist())
        assert not member.binary or found <= {0.0, 1.0}

    def test_samples_do_not_see_each_other(self, member: Metric) -> None:
        output, reference, target = drawn(member)
        found = member.outcomes(output, reference, target)
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(1))
        assert torch.equal(member.outcomes(output[order], reference[order], target[order]), found[order])
        alone = [member.outcomes(*(part[i : i + 1] for part in (output, reference, target))) for i in range(SAMPLES)]
        assert torch.equal(torch.cat(alone), found)

    def test_the_order_of_the_classes_doesn_t_matter(self, member: Metric) -> None:
        output, reference, target = drawn(member)
        order = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(1))
        renamed = order.argsort()[target] if member.needs_classes else target[:, order]
        found = member.outcomes(output[:, order], reference[:, order], renamed)
        assert found.tolist() == pytest.approx(member.outcomes(output, reference, target).tolist(), rel=1e-12)

    def test_nothing_is_better_than_a_perfect_prediction(self, member: Metric) -> None:
        output, _, target = drawn(member)
        perfect = 20.0 * torch.nn.functional.one_hot(target, CLASSES) if member.needs_classes else target
        best, other = (member.outcomes(o, perfect, target) for o in (perfect, output))
        assert torch.all(best >= other) if member.higher_is_better else torch.all(best <= other)
        assert best.mean() != other.mean()

    def test_labels_are_read_only_where_it_says_so(self, member: Metric) -> None:
        output, reference, target = drawn(member)
        if not member.needs_labels:
            expected = member.outcomes(output, reference, target)
            assert torch.equal(member.outcomes(output, reference, None), expected)

    @pytest.mark.parametrize("positions", [(5,), (3, 2)])
    def test_many_labels_a_sample_make_one_outcome(self, member: Metric, positions: tuple[int, ...]) -> None:
        found = member.outcomes(*drawn(member, *positions))
        assert found.shape == (SAMPLES,)

    def test_what_it_is_given_stays_as_it_was(self, member: Metric) -> None:
        given = drawn(member)
        before = [part.clone() for part in given]
        member.outcomes(*given)
        assert all(map(torch.equal, given, before))

    def test_its_unit_fits_its_factor(self, member: Metric) -> None:
        assert (member.unit == "%") == (member.factor == 100.0)


def drawn(member: Metric, *positions: int) -> tuple[Tensor, Tensor, Tensor]:
    """(output, reference, target): scores (samples, classes, *positions), and what the metric compares them with."""
    generator = torch.Generator().manual_seed(0)
    output, reference, numbers = torch.randn(3, SAMPLES, CLASSES, *positions, generator=generator)
    labels = torch.randint(0, CLASSES, (SAMPLES, *positions), generator=generator)
    return output, reference, labels if member.needs_classes else numbers
