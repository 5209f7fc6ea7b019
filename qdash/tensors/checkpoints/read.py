"""What a weights file holds, recognised by its content and read without running anything in it."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from qdash.errors import ModelError

_HEAD = 512  # bytes that tell a file's kind
_ZIP, _PICKLE, _TAR = b"PK\x03\x04", b"\x80", b"ustar"
_SAVE = "save model.state_dict() with torch.save, or as .safetensors"
# Endings and beginnings of files that are often given for weights, and what they are.
_FOREIGN = {
    b"\x89HDF": "an HDF5 file (Keras); export its weights to PyTorch",
    b"GGUF": "a GGUF file of quantized weights; give the floating-point weights it was made from",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; fetch it with: git lfs pull",
    b"\x93NUMPY": f"a single NumPy array; {_SAVE}",
}


def read(path: Path) -> object:
    """The tree that a file holds: a mapping of tensors, perhaps with other things around and beside it.

    `.safetensors` and what torch.save writes (`weights_only=True`), whatever the file's name ends with. Raises
    ModelError with what the file is instead.
    """
    head = _head(path)
    if not head:
        raise ModelError(f"{path.name} is empty; copy or download it again")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise ModelError(f"{path.name} is {what}")
    try:
        return _reader(path, head)(path)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} holds more than weights and could run code when read; save the state_dict alone, "
            "best as .safetensors"
        ) from error
    except (OSError, ValueError, RuntimeError, EOFError, KeyError, AttributeError, TypeError, IndexError) as error:
        line = " ".join(str(error).split())[:200]
        raise ModelError(f"{path.name} can't be read as weights, perhaps it is cut short: {line}") from error


def _reader(path: Path, head: bytes) -> Callable[[Path], object]:
    if _is_safetensors(head, path.stat().st_size):
        return _safetensors
    if head.startswith(_ZIP):
        _check_archive(path)
        return _torch
    if head.startswith(_PICKLE) or head[257:262] == _TAR:
        return _torch
    if _is_text(head):
        raise ModelError(f"{path.name} is {_kind_of_text(path, head)}")
    if _is_onnx(head):
        raise ModelError(f"{path.name} is an ONNX model, not weights; {_SAVE} of the PyTorch model")
    if path.suffix == ".safetensors":  # let its own reader say what is wrong
        return _safetensors
    raise ModelError(f"{path.name} can't be read as weights: neither safetensors nor written by torch.save; {_SAVE}")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise ModelError(f"{path.name} can't be read: {error.strerror}") from error


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes with the length of a JSON header, then the header."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def _safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _torch(path: Path) -> object:
    with path.open("rb") as file:  # given a name, torch 2.13 would go by its ending
        return torch.load(file, map_location="cpu", weights_only=True)


def _check_archive(path: Path) -> None:
    """Raises ModelError where a zip file is something else than what torch.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [name.partition("/")[2] or name for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path.name} can't be read as weights, perhaps it is cut short: {error}") from error
    if any(name.startswith("code/") or name == "constants.pkl" for name in inside):
        raise ModelError(f"{path.name} is a TorchScript archive, not weights; {_SAVE} of the eager model")
    if any(name.startswith(("models/", "archive_format")) for name in inside):
        raise ModelError(f"{path.name} is an exported program (torch.export), not weights; {_SAVE} of the eager model")
    if inside and all(name.endswith(".npy") for name in inside):
        raise ModelError(f"{path.name} is a NumPy archive, not weights; {_SAVE}")
    if "data.pkl" not in inside:
        raise ModelError(f"{path.name} is a zip archive that torch.save did not write; {_SAVE}")


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r\f" or 32 <= byte < 127 or byte >= 0xC2 for byte in head)


def _kind_of_text(path: Path, head: bytes) -> str:
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not weights; the download went wrong"
    if start.startswith(b"{") and path.name.endswith(".index.json"):
        return f"the index of a model in several files ({_shards(path)}); join them into one file first"
    return f"a text file, not weights; {_SAVE}"


def _shards(path: Path) -> str:
    try:
        names = sorted(set(json.loads(path.read_text())["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return "unreadable"
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")


def _is_onnx(head: bytes) -> bool:
    """A protobuf whose first field is the IR version, a small number."""
    return len(head) > 2 and head[0] == 0x08 and 3 <= head[1] <= 32
