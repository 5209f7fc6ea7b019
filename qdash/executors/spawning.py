"""What a new process of this package inherits."""

import os
from pathlib import Path

import qdash


def environment() -> dict[str, str]:
    """This process's variables, with a PYTHONPATH from which `python -m qdash…` works in any folder."""
    package = str(Path(qdash.__file__).absolute().parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
