"""Counts multiply-accumulates: by formula for the layer kinds, by torch's own for everything else."""

from collections.abc import Mapping

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from qdash.instrument.calls import Instrument
from qdash.layers.base import LayerKind
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.samples import Batch
from qdash.tensors.trees import cloned, tensors


class MacCounter:
    """Multiply-accumulates of one executed call of a module, nested calls excluded.

    Operations outside the known layer kinds (attention products, convolutions called as functions) are measured on one
    batch and scale with the number of samples.
    """

    def __init__(self, instrument: Instrument, layers: Mapping[str, LayerKind], other_per_sample: Mapping[str, float]):
        self._instrument, self._layers, self._other = instrument, layers, other_per_sample

    def __call__(self, name: str, args: Args, kwargs: Kwargs, output: object) -> float:
        kind = self._layers.get(name)
        if kind is not None:
            # Inside a layer, operations that are seen count for themselves.
            count = kind.macs if self._instrument.shows is None else kind.weight_macs
            macs = float(count(self._instrument.modules[name], (*args, *kwargs.values()), output))
            return macs + self._beside(name, args, kwargs)
        return self._beside(name, args, kwargs)

    def _beside(self, name: str, args: Args, kwargs: Kwargs) -> float:
        share = self._other.get(name)
        if not share:
            return 0.0
        first_tensor = next(tensors([args, kwargs]), None)
        return share * (len(first_tensor) if first_tensor is not None and first_tensor.dim() else 1)


def other_work(
    instrument: Instrument, layers: Mapping[str, LayerKind], batch: Batch, known: Mapping[str, float]
) -> dict[str, float]:
    """Module → multiply-accumulates per sample and call that it does itself, outside the known layer kinds.

    known: at least so many per sample, in all calls; torch's counter doesn't know fused attention on every device. Of
    a layer: what it does beside its own product.
    """
    own: dict[str, float] = {}
    calls: dict[str, int] = {}
    inside: list[float] = [0.0]  # per open call: what its nested calls did
    with _Flops() as counter:

        def watch(name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
            before = counter.total
            inside.append(0.0)
            output = forward(*args, **kwargs)
            total = counter.total - before
            nested = inside.pop()
            if name not in layers:
                own[name] = own.get(name, 0.0) + (total - nested)
            calls[name] = calls.get(name, 0) + 1
            inside[-1] += total
            return output

        with instrument.intercepting(watch):
            instrument.run(*cloned((batch.args, batch.kwargs)))
    work = {name: max(flops / 2 / batch.size, known.get(name, 0.0)) for name, flops in own.items()}
    work |= {n: macs for n, macs in known.items() if n in layers and not layers[n].inner_operations}
    return {name: macs / calls[name] for name, macs in work.items() if macs > 0}


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up torch's own formulas over all operations inside the block.

    What torch's FlopCounterMode does, without the compiler that it loads: a second of CPU time and 70 MB a sweep.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0.0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch loads the compiler to keep it away from here

    def __torch_dispatch__(
        self, operation: OpOverload, types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        kwargs = kwargs or {}
        formula = flop_registry.get(operation._overloadpacket)
        if formula is None and operation is not torch.ops.prim.device.default:
            with self:
                parts = operation.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        output = operation(*args, **kwargs)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=output)
        return output
