"""Models: from a text such as `demo:digits-resnet` or `python:FILE.py:CALLABLE` to a module."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qdash.registry import Member
from qdash.sources import SourceRegistry

if TYPE_CHECKING:
    from torch import nn


class ModelSource(Member):
    """Where a model comes from."""

    prefix: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    ships: ClassVar[bool] = False  # whether its examples can be used as they stand, on every machine

    text: str

    @abstractmethod
    def load(self) -> "nn.Module":
        """The module with whatever weights it comes with. Raises ModelError."""

    def files(self) -> tuple[Path, ...]:
        """Local files that define the model."""
        return ()


REGISTRY: SourceRegistry[ModelSource] = SourceRegistry("models")
