"""A place in a model that can be quantized."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from qdash.layers.base import LayerKind
from qdash.quant.statistics import Statistics


@dataclass(frozen=True, eq=False)
class Site:
    """A module, what kind of layer it is, and what calibration knows of it.

    statistics: name of an input → its statistics in the calibration pass; raises ModelError where it was never seen.
    """

    module: nn.Module
    kind: LayerKind
    statistics: Callable[[str], Statistics]
