"""Recommenders: which sets of layers are worth measuring in FP32."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from qdash.registry import Member, Registry

REGISTRY: "Registry[Recommender]" = Registry("recommenders")
DEFAULT = "ranked"


class Recommender(Member):
    """Proposes keep sets from a sweep's rows; they are measured before anything is recommended."""

    @abstractmethod
    def propose(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
        """Keep sets, smallest first, from rows of one setting that are ranked worst first."""

    @abstractmethod
    def between(self, rows: Sequence[Mapping[str, Any]], too_small: int, large_enough: int) -> list[tuple[str, ...]]:
        """Further sets between two sizes, empty where nothing lies between."""
