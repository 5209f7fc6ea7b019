"""Which samples calibrate and which evaluate: seeded, stratified, never the same ones."""

import numpy as np

from qdash.errors import DataError

LARGEST_CALIBRATION = 1024


def split_in_two(count: int, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(evaluation, calibration) indices of one set: a quarter, at most 1,024, calibrates.

    Stratified where there are labels: sorted by label in shuffled order, every n-th sample calibrates.
    """
    if count < 2:
        raise DataError(f"{count} sample can't be split into calibration and evaluation; give at least 2")
    order = np.random.default_rng(seed).permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    amount = max(1, min(count // 4, LARGEST_CALIBRATION))
    at = ((np.arange(amount) + 0.5) * count / amount).astype(int)
    return np.sort(np.delete(order, at)), np.sort(order[at])


def choose(indices: np.ndarray, wanted: int | None, seed: int, what: str) -> tuple[np.ndarray, list[str]]:
    """The first `wanted` of a seeded shuffle, all where None or more than there are; and what to say about it.

    indices: (samples,) int64.
    """
    shuffled = np.random.default_rng(seed).permutation(indices)
    if wanted is not None and wanted > len(indices):
        return shuffled, [f"{wanted} {what} samples were asked for; all {len(indices)} there are, are used"]
    return shuffled[:wanted], []
