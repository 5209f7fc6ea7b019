"""What an instrument asks while a model runs."""

from collections.abc import Callable, Sequence

from qdash.tensors.call import Args, Forward, Kwargs

# What sees every call: gets the module's name, a function that runs it, its arguments and keyword arguments.
Interceptor = Callable[[str, Forward, Args, Kwargs], object]
# Whether a functional operation is seen: gets the names of the open calls, the innermost last, and what it is called.
Shows = Callable[[Sequence[str], str], bool]
# Whether an operation that is seen is none of its own: gets the name of its place.
Hides = Callable[[str], bool]
# Multiply-accumulates of one executed call: gets the module's name, its arguments and its output.
Counter = Callable[[str, Args, Kwargs, object], float]
