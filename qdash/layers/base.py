"""Layer kinds: which modules can be quantized, what their weights and inputs are, and what they compute."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from qdash.granularities.base import REGISTRY as GRANULARITIES
from qdash.registry import Member, Registry
from qdash.tensors.call import Args, Output

if TYPE_CHECKING:
    from torch import nn

REGISTRY: "Registry[LayerKind]" = Registry("layers")


class Operator(NamedTuple):
    """An operator of a graph, such as `aten.conv2d.default`, and the places of its arguments.

    inputs: of what is quantized as activations. channel_axis: of the weight.
    """

    name: str
    inputs: tuple[int, ...]
    weight: int | None = None
    bias: int | None = None
    channel_axis: int = 0


class LayerKind(Member):
    """A kind of module that owns weights. A model's own file may register kinds of its own for its own modules.

    `dynamic_granularity` is how an integer runtime takes the range of each input as it comes. `note` says what is not
    simulated. `inner_operations` names functional operations inside the layer that are not the layer's own product;
    `is_one_kernel`: all are, as its own work is one call into torch.
    `operations`: what the kind is in a graph without modules (torch.export), whatever class it came from.
    """

    dynamic_granularity: ClassVar[str] = "per_token"
    quantizes_input: ClassVar[bool] = True
    note: ClassVar[str] = ""
    inner_operations: ClassVar[frozenset[str]] = frozenset()
    is_one_kernel: ClassVar[bool] = False
    operations: ClassVar[tuple[Operator, ...]] = ()

    @abstractmethod
    def module_types(self) -> tuple[type, ...]:
        """The module classes of this kind; their subclasses are meant too."""

    @abstractmethod
    def weights(self, module: "nn.Module") -> dict[str, int]:
        """Path of a weight, relative to the module → its channel axis, of every weight that is quantized."""

    @abstractmethod
    def macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        """Multiply-accumulates of one call. `args`: its arguments, then its keyword arguments, as one tuple."""

    def weight_macs(self, module: "nn.Module", args: Args, output: Output) -> int:
        """Those of them that a quantized weight or input takes part in: what counts as covered."""
        return self.macs(module, args, output)

    def parts(self, module: "nn.Module") -> "Mapping[str, LayerKind]":
        """Name of a part, such as `l1_reverse` → its kind, where parts of a module are layers of their own; else none.

        Together they have its weights, each one once; its inputs belong to the first.
        """
        return {}

    def share(self, module: "nn.Module") -> float:
        """Of the module's multiply-accumulates, those of this layer: 1, unless it is a part."""
        return 1.0

    def own_parameters(self, module: "nn.Module") -> "list[nn.Parameter]":
        """What belongs to this layer besides its weights: the module's own parameters, such as biases."""
        return list(module.parameters(recurse=False))

    def inputs(self, module: "nn.Module") -> tuple[str, ...]:
        """Names of the arguments that are quantized, in the order of the arguments; "" is one that isn't."""
        return ("input",)

    def weight_inputs(self, module: "nn.Module") -> Mapping[str, int]:
        """Name of an argument that is a weight → its channel axis; quantized as weights are."""
        return {}

    def channel_axis(self, module: "nn.Module") -> int:
        """The channel axis of the inputs, for statistics by channel."""
        return GRANULARITIES.entry(self.dynamic_granularity).member.channel_axis

    def type_name(self, module: "nn.Module") -> str:
        """What the layer is called in a table."""
        return type(module).__name__.removeprefix("Parametrized")

    def distance(self, module: "nn.Module") -> int | None:
        """How far the module's class is from this kind's, None where it is of another kind; the nearest kind wins."""
        ancestry = type(module).__mro__
        found = [ancestry.index(t) for t in self.module_types() if t in ancestry]
        return min(found) if found else None
