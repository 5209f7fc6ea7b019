"""What a user's callables and files give, as tensors: NumPy arrays, lists, odd number types; and labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from qdash.errors import DataError

# torch has few operations for these.
_WIDENED = {torch.uint16: torch.int64, torch.uint32: torch.int64, torch.uint64: torch.int64}
_NO_NUMBERS = {"O": "Python objects", "U": "text", "S": "bytes", "M": "dates", "m": "durations", "V": "records"}
LABEL_NAMES = ("labels", "label", "targets", "target")


def as_tensors(tree: object, origin: str) -> object:
    """The same structure with arrays and lists of numbers as tensors; what is neither is handed through.

    Raises DataError where an array holds no numbers or a list is ragged.
    """
    if isinstance(tree, Tensor | np.ndarray | np.generic):
        return as_tensor(tree, origin)
    if isinstance(tree, Mapping) and type(tree) is dict:
        return {key: as_tensors(value, origin) for key, value in tree.items()}
    if isinstance(tree, tuple) and not hasattr(tree, "_fields"):
        return tuple(as_tensors(value, origin) for value in tree)
    if isinstance(tree, list):
        return _from_list(tree, origin)
    return tree


def as_tensor(value: object, origin: str) -> Tensor:
    """An array as a tensor of its shape in the machine's byte order; unsigned integers unknown to torch, widened.

    Raises DataError where it holds no numbers, or integers beyond 2⁶³.
    """
    if isinstance(value, Tensor):
        if value.is_sparse or value.layout != torch.strided:
            raise DataError(f"{origin}: it holds a sparse tensor; make it dense: x.to_dense()")
        tensor = value.detach()
    else:
        tensor = torch.from_numpy(_native(np.asarray(value), origin))
    wider = _WIDENED.get(tensor.dtype)
    if wider is None:
        return tensor
    if tensor.dtype == torch.uint64 and bool((tensor.view(torch.int64) < 0).any()):
        raise DataError(f"{origin}: it holds integers beyond 2⁶³; store smaller numbers")
    return tensor.to(wider)


def as_labels(value: object, origin: str) -> Tensor | None:
    """Labels as a tensor of their shape: integers and bool as int64, floats as they are; None where there are none.

    Raises DataError where they are text, boxes or anything else that is no number.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        raise DataError(
            f"{origin}: its labels are dictionaries ({', '.join(map(str, list(value)[:4]))}); give one array of "
            "labels, or none with --metric agreement"
        )
    if isinstance(value, str) or (isinstance(value, Sequence) and any(isinstance(v, str) for v in value)):
        shown = value if isinstance(value, str) else next(v for v in value if isinstance(v, str))
        raise DataError(
            f"{origin}: its labels are text ({shown!r}, …); map them to integers, or leave them out and use "
            "--metric agreement"
        )
    try:
        tensor = as_tensor(value if isinstance(value, Tensor) else np.asarray(value), f"{origin}, labels")
    except ValueError as error:
        raise DataError(f"{origin}: its labels have different shapes; give one array of labels") from error
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.long()


def taken_labels(inputs: object) -> tuple[object, object, str]:
    """(inputs without labels, labels, their key) of a sample or batch that is a dictionary; (inputs, None, "") else."""
    if not isinstance(inputs, Mapping):
        return inputs, None, ""
    key = next((name for name in LABEL_NAMES if name in inputs), "")
    if not key or len(inputs) == 1:
        return inputs, None, ""
    return {name: value for name, value in inputs.items() if name != key}, inputs[key], key


def _native(array: np.ndarray, origin: str) -> np.ndarray:
    if (what := _NO_NUMBERS.get(array.dtype.kind)) is not None:
        raise DataError(f"{origin}: it holds {what} (dtype {array.dtype}); give numbers of one type and one shape")
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # torch knows neither negative strides nor memory that must not be written.
    return array if array.flags.writeable and all(s >= 0 for s in array.strides) else array.copy()


def _from_list(values: list[object], origin: str) -> object:
    """Numbers, or lists of them, as one tensor; a list of arrays of one shape stays a list, for its reader to join."""
    if values and all(isinstance(v, int | float | list) and not isinstance(v, str) for v in values):
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise DataError(
                f"{origin}: its rows have different lengths; pad them, or return batches of rows alike"
            ) from error
        return as_tensor(array, origin)
    return [as_tensors(value, origin) for value in values]
