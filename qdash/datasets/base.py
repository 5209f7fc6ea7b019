"""Data sets: from a text such as `demo:digits` or `FILE.npz` to samples."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from qdash.registry import Member
from qdash.sources import SourceRegistry

if TYPE_CHECKING:
    from qdash.tensors.samples import Samples


class Loaded(NamedTuple):
    """What a source holds; `calibration` and `training` only where the source itself keeps them apart."""

    evaluation: "Samples"
    calibration: "Samples | None" = None
    training: "Samples | None" = None


class DatasetSource(Member):
    """Where samples come from."""

    prefix: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    ships: ClassVar[bool] = False  # whether its examples can be used as they stand, on every machine

    text: str

    @abstractmethod
    def load(self) -> Loaded:
        """Raises DataError that names the file and what is wrong with it."""

    def files(self) -> tuple[Path, ...]:
        """Local files whose content is the data."""
        return ()


REGISTRY: SourceRegistry[DatasetSource] = SourceRegistry("datasets")
