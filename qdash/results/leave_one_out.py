"""Whether a row says what its layer breaks, or what remains broken without it."""

from functools import lru_cache

from qdash.registry import family


@lru_cache(maxsize=64)
def leaves_one_out(method: str) -> bool:
    """Whether the method quantizes every layer but the row's own, so that the least error marks the worst layer.

    >>> leaves_one_out("leave_one_out"), leaves_one_out("gradient:passes=8")
    (True, False)
    """
    return bool(family("methods").create(method).quantizes_others)
