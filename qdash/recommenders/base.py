"""Recommenders: which sets of layers are worth measuring in FP32."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from qdash.registry import Member, Registry

REGISTRY: "Registry[Recommender]" = Registry("recommenders")
DEFAULT = "ranked"


class Row(Protocol):
    """What is known about one layer under one setting."""

    @property
    def layer(self) -> str:
        """Its name."""

    def number(self, key: str) -> float | None:
        """A quantity by its name in the sweep JSON, None where there is none."""


class Recommender(Member):
    """Proposes keep sets from a sweep's rows; they are measured before anything is recommended."""

    @abstractmethod
    def propose(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """Keep sets, smallest first, from rows of one setting that are ranked worst first."""

    @abstractmethod
    def between(self, rows: Sequence[Row], too_small: int, large_enough: int) -> list[tuple[str, ...]]:
        """Further sets between two sizes, empty where nothing lies between."""
