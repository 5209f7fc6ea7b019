"""What a failed forward says: the error on one line, what the model was given, and the way out where it is known."""

from qdash.faults import described
from qdash.tensors.call import Args, Kwargs
from qdash.tensors.trees import tensors

_WHOLE = ("uint8", "int8", "int16", "int32", "int64", "bool")


def failure(error: BaseException, args: Args, kwargs: Kwargs) -> str:
    """The error, and dtypes and shapes of the arguments."""
    line = described(error)
    line = line if len(line) <= 300 else line[:297] + "..."
    given = [(str(t.dtype).removeprefix("torch."), tuple(t.shape)) for t in tensors([*args, kwargs])]
    shown = ", ".join(f"{dtype} {shape}" for dtype, shape in given)
    return f"{line}; the model was given {shown}{_way_out(line, {dtype for dtype, _ in given})}"


def _way_out(line: str, dtypes: set[str]) -> str:
    if "uint8" in dtypes:
        return "; store x as float or normalise it in forward"
    about_types = any(word in line for word in ("dtype", "scalar type", "same type"))
    return "; store x as float32 where the model computes with it" if about_types and dtypes & set(_WHOLE) else ""
