"""A law that nothing can break says nothing: wrong members, and the law that tells each of them."""

from contextlib import closing
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from qdash.executors.base import Executor, build_work
from qdash.formats.integer import SignedInteger
from qdash.granularities.per_channel import PerChannel
from qdash.layers.base import Operator
from qdash.layers.linear import Linear
from qdash.metrics.accuracy import Accuracy
from qdash.modes.dynamic import Dynamic
from qdash.observers.min_max import MinMax
from qdash.recommenders.ranked import Ranked
from qdash.testing.executors import ExecutorLaws
from qdash.testing.formats import ScaledFormatLaws
from qdash.testing.granularities import GranularityLaws
from qdash.testing.layers import LayerLaws
from qdash.testing.metrics import MetricLaws
from qdash.testing.modes import ModeLaws
from qdash.testing.observers import ObserverLaws
from qdash.testing.recommenders import RecommenderLaws


class Shifted(MinMax):
    """Keeps the middle of the range only, which may leave zero out."""

    def clipping_range(self, statistics, format, scheme):
        middle, width = (statistics.minimum + statistics.maximum) / 2, statistics.maximum - statistics.minimum
        return middle - width / 4, middle + width / 4


class Summed(MinMax):
    """Averages the batches without saying so."""

    def clipping_range(self, statistics, format, scheme):
        low, high = statistics.batch_minimum.mean(0), statistics.batch_maximum.mean(0)
        limit = np.maximum(-low, high)
        return (-limit, limit) if scheme == "symmetric" else (np.minimum(low, 0), np.maximum(high, 0))


class Floored(SignedInteger):
    """Rounds half a step down."""

    def fake_quantize(self, x, scale, zero_point, scheme):
        return super().fake_quantize(x - scale / 2, scale, zero_point, scheme)


class Rowless(PerChannel):
    """Puts channels together again in another order."""

    def restore(self, rows, shape, axis=0):
        return super().restore(rows[list(reversed(range(len(rows))))], shape, axis)


class Shared(Accuracy):
    """Every sample gets the mean of its batch."""

    def outcomes(self, output, reference, target):
        hits = super().outcomes(output, reference, target)
        return hits * 0 + hits.mean()


class Inverse(Accuracy):
    """Higher is worse, but it says better."""

    def outcomes(self, output, reference, target):
        return 1 - super().outcomes(output, reference, target)


class Contradiction(Dynamic):
    """Live ranges of inputs that stay FP32."""

    quantizes_inputs: ClassVar[bool] = False


class Repeating(Ranked):
    """Proposes its largest set twice."""

    def propose(self, rows):
        return [*super().propose(rows), super().propose(rows)[-1]]


class Swapped(Linear):
    """Takes the weight for the input."""

    operations: ClassVar[tuple[Operator, ...]] = (Operator("aten.linear.default", inputs=(1,), weight=0, bias=2),)


class Fused(Linear):
    """Counts the bias as a product."""

    def macs(self, module, args, output):
        return super().macs(module, args, output) + output.numel()


class Leaving(Executor):
    """Loses the last record of every step."""

    def open(self, kind, spec, artifacts):
        work = build_work(kind, spec, artifacts)

        def advance(position: str | None, should_stop: Any) -> Any:
            return list(work.advance(position, should_stop))[1:]

        return closing(SimpleNamespace(advance=advance, close=work.close))


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (ObserverLaws().test_a_range_holds_zero_and_nothing_that_was_not_seen, (Shifted(), "affine", 12)),
        (ObserverLaws().test_how_values_were_batched_doesn_t_matter_unless_it_says_so, (Summed(), "affine")),
        (ScaledFormatLaws().test_inside_the_range_the_error_is_at_most_half_a_step, (Floored(bits=4), "symmetric")),
        (
            ScaledFormatLaws().test_values_go_to_the_nearest_level_of_at_most_two_to_the_bits,
            (Floored(bits=4), "affine"),
        ),
        (ScaledFormatLaws().test_rounding_twice_changes_nothing_more, (Floored(bits=4), "affine")),
        (GranularityLaws().test_restore_undoes_rows, (Rowless(), (3, 2, 128), 0)),
        (GranularityLaws().test_quantized_by_rows_is_quantized_scale_by_scale, (Rowless(), (3, 128), 1)),
        (MetricLaws().test_samples_do_not_see_each_other, (Shared(),)),
        (MetricLaws().test_binary_outcomes_are_hits_and_misses, (Shared(),)),
        (MetricLaws().test_nothing_is_better_than_a_perfect_prediction, (Inverse(),)),
        (ModeLaws().test_only_quantized_inputs_have_ranges_of_their_own, (Contradiction(),)),
        (
            RecommenderLaws().test_sets_are_of_known_layers_each_once_and_no_set_comes_twice,
            (Repeating(), 5),
        ),
        (LayerLaws().test_its_operators_compute_what_its_modules_compute, ("linear", Swapped())),
        (LayerLaws().test_its_multiply_accumulates_are_those_that_torch_counts, ("linear", Fused())),
        (ExecutorLaws().test_it_gives_the_records_of_a_direct_call, (Leaving(),)),
    ],
)
def test_it_is_told(law, arguments):
    with pytest.raises((AssertionError, RuntimeError)):
        law(*arguments)
