"""All layers quantized but this one: what keeping it in FP32 wins back."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from qdash.methods.base import REGISTRY, Method

if TYPE_CHECKING:
    from qdash.engine.bench import Bench
    from qdash.engine.item import Item, Measured
    from qdash.engine.tape.tape import Tape
    from qdash.spec.setting import Setting


class _Tapes(dict[str, "Tape"]):
    """Key of a setting → recorded forward of the all-quantized model on the current batch; of the last setting."""


@REGISTRY.register("leave_one_out")
class LeaveOneOut(Method):
    """Exact: every layer is quantized but this one; `recovered` is the metric over that of the all-quantized model.

    It sees how layers interact, which one layer at a time can't. Larger is more sensitive.
    """

    keeps_inputs: ClassVar[bool] = True
    quantizes_others: ClassVar[bool] = True
    measures_remaining: ClassVar[bool] = True

    def measure(self, bench: "Bench", items: "Sequence[Item]") -> "Iterator[Measured]":
        from qdash.engine.item import Measured, Stopwatch
        from qdash.engine.local_errors import local_errors

        for item in items:
            with Stopwatch() as watch:
                others = bench.quantizers.all_but(frozenset({item.layer}), item.setting)
                tape = _all_quantized(bench, item.setting)
                found = bench.compared(bench.replay(others, item.layer, tape))
                sums = local_errors(bench, item) | bench.quantizers.weight_sums(item)
            yield Measured(sums, found, watch.seconds)

    def work(self, bench: "Bench", layer: str) -> float:
        from qdash.engine.local_errors import local_work

        return bench.work_from(layer) + bench.work_inside(layer) + local_work(bench, layer)


def _all_quantized(bench: "Bench", setting: "Setting") -> "Tape":
    tapes = bench.kept(_Tapes)
    if setting.key not in tapes:
        with bench.instrument.overriding(bench.quantizers.all_but(frozenset(), setting)):
            tape = bench.recorder.record(bench.batch.args, bench.batch.kwargs)
        tapes.clear()
        tapes[setting.key] = tape
    return tapes[setting.key]
