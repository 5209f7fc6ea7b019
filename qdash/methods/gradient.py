"""Every layer and setting from one forward and a few backward passes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from qdash.methods.base import REGISTRY, Method

if TYPE_CHECKING:
    from qdash.engine.bench import Bench
    from qdash.engine.item import Item, Measured


@REGISTRY.register("gradient")
class Gradient(Method):
    """Estimated: the model's output error of every layer and setting from one forward and a few backward passes.

    For an output perturbation δ of a layer and random signs v at the model's output, E[(v·Jδ)²] = ‖Jδ‖², and Jᵀv comes
    for all layers from one backward pass (Hutchinson 1989). With v = (diag √p − p√pᵀ)·signs the same expectation is
    twice the KL divergence to second order (Fisher information); with the loss gradient it is the first-order loss
    change. Use it to rank and to pre-screen, then measure what matters.
    """

    estimates: ClassVar[bool] = True
    records_gradients: ClassVar[bool] = True
    keeps_inputs: ClassVar[bool] = True

    passes: int = Field(4, ge=1, description="backward passes for the output error; twice as many halve its variance")
    kl_passes: int = Field(1, ge=0, description="backward passes for the KL divergence, where outputs are class scores")
    loss_passes: int = Field(1, ge=0, le=1, description="1: also the first-order loss change, where there are labels")

    def measure(self, bench: "Bench", items: "Sequence[Item]") -> "Iterator[Measured]":
        from qdash.engine.gradient.estimate import estimated

        return estimated(bench, items, self.passes, self.kl_passes, self.loss_passes)

    def opening_work(self, bench: "Bench") -> float:
        from qdash.engine.gradient.passes import plan

        return len(plan(bench, self.passes, self.kl_passes, self.loss_passes)) * bench.tape.macs

    def work(self, bench: "Bench", layer: str) -> float:
        return bench.work_inside(layer)
