"""Only this layer quantized: the exact effect of one layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qdash.methods.base import REGISTRY, Method

if TYPE_CHECKING:
    from qdash.engine.bench import Bench
    from qdash.engine.item import Item, Measured
    from qdash.engine.reading import Reading
    from qdash.instrument.calls import Override


@REGISTRY.register("one_at_a_time")
class OneAtATime(Method):
    """Exact: the model runs with only this layer quantized, and its output is compared with FP32.

    What comes before the layer is replayed from one recorded forward, so that a sweep costs about half of one forward
    per layer.
    """

    def measure(self, bench: "Bench", items: "Sequence[Item]") -> "Iterator[Measured]":
        from qdash.engine.local_errors import before_training, measured_with_local_errors

        for item in items:
            measured = measured_with_local_errors(bench, item, self._output)
            measured.samples |= before_training(bench, item)
            yield measured

    def work(self, bench: "Bench", layer: str) -> float:
        from qdash.engine.local_errors import is_trained, local_work

        return bench.work_from(layer) * (1 + is_trained(bench.settings[0])) + local_work(bench, layer)

    @staticmethod
    def _output(bench: "Bench", item: "Item", overrides: "Mapping[str, Override]") -> "Reading":
        return bench.replay(overrides, item.layer)
