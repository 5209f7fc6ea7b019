"""Layer kinds: which modules can be quantized, what their weights are, and what they compute."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from qdash.registry import Member, Registry

if TYPE_CHECKING:
    from torch import nn

REGISTRY: "Registry[LayerKind]" = Registry("layers")


class LayerKind(Member):
    """A kind of module that owns weights.

    `dynamic_granularity` is how an integer runtime takes the range of each input as it comes.
    """

    dynamic_granularity: ClassVar[str] = "per_token"
    quantizes_input: ClassVar[bool] = True
    note: ClassVar[str] = ""

    @abstractmethod
    def module_types(self) -> tuple[type, ...]:
        """The exact module classes of this kind and their subclasses."""

    @abstractmethod
    def weights(self, module: "nn.Module") -> dict[str, int]:
        """Parameter name → channel axis, of every weight that is quantized."""

    @abstractmethod
    def macs(self, module: "nn.Module", args: tuple[Any, ...], output: Any) -> int:
        """Multiply-accumulates of one call."""
