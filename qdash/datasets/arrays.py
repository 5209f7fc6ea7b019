"""Arrays in one file: .npz without pickle, or .safetensors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator

from qdash.datasets.base import REGISTRY, DatasetSource, Loaded
from qdash.errors import DataError
from qdash.sources import absolute_path, existing_file

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo


class _ArrayFile(DatasetSource):
    @field_validator("text")
    @classmethod
    def _absolute(cls, text: str) -> str:
        return absolute_path(text)

    def files(self) -> tuple[Path, ...]:
        return (Path(self.text),)

    def load(self) -> Loaded:
        from qdash.tensors.incoming import as_labels
        from qdash.tensors.samples import ArraySamples

        path = existing_file(self.text, "data file", DataError)
        try:
            arrays = self._read(path)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path.name} can't be read: {' '.join(str(error).split())[:200]}") from error
        if "x" not in arrays:
            names = ", ".join(list(arrays)[:8]) or "none"
            raise DataError(f"{path.name} has no array 'x' (it has: {names}); store inputs as x and labels as y")
        return Loaded(ArraySamples(arrays["x"], as_labels(arrays.get("y"), path.name), path.name))

    def _read(self, path: Path) -> dict[str, Any]:
        raise NotImplementedError


@REGISTRY.register("npz")
class Npz(_ArrayFile):
    """A NumPy archive with the inputs as array `x` and, where there are labels, `y`; read without pickle."""

    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    examples: ClassVar[tuple[str, ...]] = ("data.npz",)

    def _read(self, path: Path) -> dict[str, Any]:
        import zipfile
        import zlib

        import numpy as np

        from qdash.tensors.incoming import as_labels, as_tensor

        _check_claims(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if "x" not in archive.files:
                    return dict.fromkeys(archive.files)
                found: dict[str, Any] = {"x": as_tensor(archive["x"], f"{path.name}, x")}
                return found | ({"y": as_labels(archive["y"], path.name)} if "y" in archive.files else {})
        except (zipfile.BadZipFile, zlib.error, EOFError, TypeError, AttributeError) as error:
            raise ValueError(f"it is cut short or no .npz archive ({error})") from error


@REGISTRY.register("safetensors")
class Safetensors(_ArrayFile):
    """A safetensors file with the inputs as tensor `x` and, where there are labels, `y`."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)
    examples: ClassVar[tuple[str, ...]] = ("data.safetensors",)

    def _read(self, path: Path) -> dict[str, Any]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ValueError(str(error)) from error


def _check_claims(path: Path) -> None:
    """Raises DataError where arrays of an archive would be larger than memory, before any is read.

    What is no archive is left to its reader.
    """
    import zipfile

    from qdash.limits import largest_unpacked

    limit = largest_unpacked()
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: _claimed(archive, member) for member in archive.infolist()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError):
        return
    wanted = {name: size for name, size in sizes.items() if name in ("x.npy", "y.npy")}
    if limit is not None and (needed := sum(wanted.values())) > limit:
        raise DataError(
            f"{path.name} would take {needed / 1e6:,.0f} MB of memory, more than the {limit / 1e6:,.0f} MB there are; "
            "give fewer samples, or raise QDASH_MAX_MEMORY"
        )


def _claimed(archive: "ZipFile", member: "ZipInfo") -> int:
    """Bytes that a member says it holds: the archive's word or its own header's, whichever is more."""
    import math

    from numpy.lib import format as npy

    with archive.open(member) as file:
        version = npy.read_magic(file)
        shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    return max(member.file_size, math.prod(shape) * dtype.itemsize)
