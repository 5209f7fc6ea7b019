"""The demo data: 1,797 real handwritten digits of 8×8 pixels, split once and for all into three disjoint sets.

Source: the test part of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998, UCI), as scikit-learn
carries it. All 13 writers occur in all three sets, so the accuracy holds for these writers, not for new ones.
"""

import gzip
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from qdash.errors import DataError, MissingLibraryError, UnknownNameError

Split = Literal["train", "calibration", "evaluation"]
SIZES: dict[Split, int] = {"train": 1000, "calibration": 200, "evaluation": 597}
SEED = 0
CHECKSUM = 81527235  # of the split, see _split_indices


def digits(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """One of the three sets, in a fixed shuffled order; the arrays belong to the caller.

    Returns x, float32 of shape (n, 1, 8, 8) in [0, 1] (ink, 16 steps), and y, int64 of shape (n,) in 0…9.
    Raises UnknownNameError for another name, MissingLibraryError without scikit-learn, DataError where this NumPy's
    generator gives another split than the one the packaged networks were trained with.

    >>> x, y = digits("calibration")
    >>> x.shape, y.shape
    ((200, 1, 8, 8), (200,))
    """
    if split not in SIZES:
        raise UnknownNameError("split of the digits", split, get_args(Split))
    table = _table()
    rows = table[_split_indices(table[:, -1])[split]]
    x = (rows[:, :-1] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return x, rows[:, -1].astype(np.int64)


def _split_indices(labels: np.ndarray) -> dict[Split, np.ndarray]:
    """Seeded and stratified: in a shuffle, each class is spread evenly from the first place to the last.

    Cutting that order anywhere gives every class its share of each piece, to within one sample or two.
    """
    random = np.random.default_rng(SEED)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    cuts = np.cumsum(list(SIZES.values()))[:-1]
    pieces = np.split(np.argsort(place, kind="stable"), cuts)
    split = {name: random.permutation(piece) for name, piece in zip(SIZES, pieces, strict=True)}
    # NumPy doesn't promise the same permutations for ever, and a moved split would evaluate on training images.
    if zlib.crc32(np.concatenate(list(split.values())).astype("<i8").tobytes()) != CHECKSUM:
        raise DataError(f"NumPy {np.__version__} splits the digits differently; install the NumPy of requirements.txt")
    return split


@cache
def _table() -> np.ndarray:
    """(1797, 65) float64: 64 pixels of 0…16, then the label.

    Reads scikit-learn's packaged file, because importing `sklearn.datasets` costs a second and this costs 0.05;
    where the file has moved, the public loader is asked.
    """
    library = find_spec("sklearn")
    if library is None or library.origin is None:
        raise MissingLibraryError("the demo data", "scikit-learn")
    packaged = Path(library.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not packaged.is_file():
        return _from_public_loader()
    with gzip.open(packaged, "rt") as file:
        return np.loadtxt(file, delimiter=",")


def _from_public_loader() -> np.ndarray:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])
