"""Sensitivity methods: how the damage that a layer's quantization does is measured."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from qdash.registry import Member, Registry

if TYPE_CHECKING:
    from qdash.engine.bench import Bench
    from qdash.engine.item import Item, Measured

REGISTRY: "Registry[Method]" = Registry("methods")


class Method(Member):
    """Measures items (layer, setting) on one batch.

    Laws, tested over all members: the identity format scores exactly no loss; the model is bit-identical afterwards;
    one batch or many give the same sums.
    """

    measures_output: ClassVar[bool] = True
    quantizes_others: ClassVar[bool] = False  # whether an item's result depends on how other layers are quantized
    measures_remaining: ClassVar[bool] = False  # what an item measures is what remains with only its layer in FP32
    estimates: ClassVar[bool] = False  # what it yields is an estimate, not a measurement
    records_gradients: ClassVar[bool] = False  # whether the FP32 forward is recorded with its graph
    keeps_inputs: ClassVar[bool] = False  # whether it needs the FP32 inputs of all layers from the recorded forward

    @classmethod
    def measures_one_layer(cls) -> bool:
        """Whether it measures the model's output with one layer quantized: what others estimate."""
        return cls.measures_output and not cls.estimates and not cls.quantizes_others

    @abstractmethod
    def measure(self, bench: "Bench", items: "Sequence[Item]") -> "Iterator[Measured]":
        """One Measured per item, in order; may be left early."""

    def opening_work(self, bench: "Bench") -> float:
        """Multiply-accumulates once per batch, before the first item."""
        return 0.0

    @abstractmethod
    def work(self, bench: "Bench", layer: str) -> float:
        """Multiply-accumulates that one item costs on the current batch, to plan and to estimate with."""
