"""Modes: when weights and inputs are quantized, and where an input's range comes from."""

from collections.abc import Mapping
from typing import ClassVar

from qdash.registry import Member, Registry

REGISTRY: "Registry[Mode]" = Registry("modes")


class Mode(Member):
    """When a layer's input is quantized and where its range comes from."""

    quantizes_inputs: ClassVar[bool] = True
    live_ranges: ClassVar[bool] = False
    trains: ClassVar[bool] = False  # whether weights are fine-tuned before they are measured
    untrained: ClassVar[str] = "static"  # where it trains: the mode without the fine-tune

    @property
    def fixes(self) -> Mapping[str, str]:
        """Fields of a setting that the mode's options determine, with their values."""
        return {}
