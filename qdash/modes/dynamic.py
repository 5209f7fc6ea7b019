"""Weights quantized ahead, input ranges taken from each input."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from qdash.modes.base import REGISTRY, Mode


@REGISTRY.register("dynamic")
class Dynamic(Mode):
    """Weights are quantized ahead; the range of every input is taken as it comes.

    Prefer it for LSTMs and transformers, where reading weights dominates: the range follows each input (per token for
    linear layers, per sample for convolutions), which can be more accurate, and costs time at run time.
    """

    live_ranges: ClassVar[bool] = True

    as_deployed: bool = Field(
        False,
        description="as torch's quantize_dynamic: one range a call, of the whole batch; one scale a weight",
    )

    @property
    def fixes(self) -> Mapping[str, str]:
        names = ("weight_granularity", "activation_granularity") if self.as_deployed else ()
        return dict.fromkeys(names, "per_tensor")
