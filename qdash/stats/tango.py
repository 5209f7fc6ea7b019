"""Tango's score interval for a paired difference of proportions (Statistics in Medicine 17:891–908, 1998)."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

HALVINGS = 60  # [-1, 1] down to the spacing of float64


def tango_interval(
    gained: ArrayLike, lost: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the difference (gained − lost) / n, fractions in [−1, 1], float64.

    `gained`: pairs that were wrong before and are right now; `lost`: the other way round; `n`: all pairs; integer
    arrays that broadcast. The width is never zero; n = 0 gives NaN. Raises ValueError where counts are negative or add
    up to more than n.
    """
    b, c, n = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (gained, lost, n)))
    if np.any((b < 0) | (c < 0) | (b + c > n)):
        raise ValueError(f"gained {gained!r} and lost {lost!r} must be at least 0 and add up to at most n = {n!r}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    pairs = np.where(n > 0, n, np.nan)
    estimate = (b - c) / pairs
    return _bound(b, c, pairs, estimate, -1.0, z), _bound(b, c, pairs, estimate, 1.0, z)


def _bound(b: np.ndarray, c: np.ndarray, n: np.ndarray, inside: np.ndarray, end: float, z: float) -> np.ndarray:
    """By bisection between the estimate, which is always inside, and the end of the parameter space."""
    outside = np.full(np.shape(inside), end)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        accepted = np.abs(b - c - n * middle) <= z * standard_error(b, c, n, middle)
        inside, outside = np.where(accepted, middle, inside), np.where(accepted, outside, middle)
    return np.where(np.isnan(n), np.nan, outside)


def standard_error(b: np.ndarray, c: np.ndarray, n: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Of b − c, under the hypothesis that the difference is `delta`; float64 arrays of one shape, as is the error.

    √(n(2q + δ(1 − δ))), q the maximum likelihood estimate of the probability of a loss: the larger root of
    2n·q² − (b + c − (2n − b + c)δ)·q − c·δ(1 − δ) = 0, in the form that doesn't cancel.
    """
    product = delta * (1 - delta)
    linear = (2 * n - b + c) * delta - b - c
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * product, 0))
    denominator = np.where(linear > 0, linear + root, 1.0)
    q = np.where(linear > 0, 2 * c * product / denominator, (root - linear) / (4 * n))
    error: np.ndarray = np.sqrt(np.maximum(n * (2 * q + product), 0))
    return error
