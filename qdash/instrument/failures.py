"""What a failed forward says: the error on one line, what the model was given, and the way out where it is known."""

import torch

from qdash.faults import described
from qdash.tensors.call import Args, Kwargs
from qdash.tensors.trees import tensors

_WHOLE = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}


def failure(error: BaseException, args: Args, kwargs: Kwargs) -> str:
    """The error, and dtypes and shapes of the arguments."""
    line = described(error)
    line = line if len(line) <= 300 else line[:297] + "..."
    given = list(tensors([*args, kwargs]))
    shown = ", ".join(f"{t.dtype} {tuple(t.shape)}".removeprefix("torch.") for t in given)
    return f"{line}; the model was given {shown}{_way_out(line, {t.dtype for t in given})}"


def _way_out(line: str, dtypes: set[torch.dtype]) -> str:
    if torch.uint8 in dtypes:
        return "; store x as float or normalise it in forward"
    about_types = any(word in line for word in ("dtype", "scalar type", "same type"))
    return "; store x as float32 where the model computes with it" if about_types and dtypes & _WHOLE else ""
