"""The layer's own tensors, FP32 against quantized: no model output."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from qdash.methods.base import REGISTRY, Method

if TYPE_CHECKING:
    from qdash.engine.bench import Bench
    from qdash.engine.item import Item, Measured


@REGISTRY.register("statistics")
class LocalStatistics(Method):
    """Local errors only: weights, inputs and the layer's own output, FP32 against quantized.

    The cheapest look. A local error says little about the model's output: later layers may absorb or amplify it.
    """

    measures_output: ClassVar[bool] = False

    keeps_inputs: ClassVar[bool] = True

    def measure(self, bench: "Bench", items: "Sequence[Item]") -> "Iterator[Measured]":
        from qdash.engine.item import Measured, Stopwatch
        from qdash.engine.local_errors import local_errors

        for item in items:
            with Stopwatch() as watch:
                sums = local_errors(bench, item) | bench.quantizers.weight_sums(item)
            yield Measured(sums, {}, watch.seconds)

    def work(self, bench: "Bench", layer: str) -> float:
        from qdash.engine.local_errors import local_work

        return bench.work_inside(layer) + local_work(bench, layer)
