"""BCa bootstrap intervals of ratios of sums (Efron 1987; Efron & Tibshirani 1993, chapter 14)."""

from statistics import NormalDist

import numpy as np

FEWEST_SAMPLES = 10
BLOCK_BYTES = 64 << 20


def ratio_interval(
    num: np.ndarray, den: np.ndarray, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), (k,) float64, of Σnum/Σden over samples, for k columns at once.

    `num`: (n, k) per-sample sums; `den`: (n,) or (n, k); a mean is den = 1. All columns see the same resamples. NaN for
    fewer than 10 samples and where the ratio isn't finite. Where every resample gives the same ratio, both bounds are
    that ratio.
    """
    num = np.asarray(num, np.float64)
    den = np.asarray(den, np.float64).reshape(len(num), -1)
    with np.errstate(all="ignore"):
        estimate = num.sum(axis=0) / den.sum(axis=0)
        if len(num) < FEWEST_SAMPLES:
            return np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
        ratios = _resampled_ratios(num, den, seed, resamples)
        ratios.sort(axis=0)
        low, high = _bca_bounds(ratios, estimate, _acceleration(num, den), confidence)
    usable = np.isfinite(estimate)
    return np.where(usable, low, np.nan), np.where(usable, high, np.nan)


def sqnr_interval_db(
    noise: np.ndarray, signal: np.ndarray, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), (k,), of 10·log10(Σsignal/Σnoise) in dB; inf where there is no noise. Arguments: `ratio_interval`.

    The transform is monotone, so the bounds of noise/signal change places and stay a BCa interval.
    """
    low, high = ratio_interval(noise, signal, seed, resamples, confidence)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(high), -10 * np.log10(low)


def _resampled_ratios(num: np.ndarray, den: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """(resamples, k): each resample is a row of counts, so that all sums are one matrix product.

    With a thousand columns these are the largest arrays of a result: none is copied.
    """
    rng = np.random.default_rng(seed)
    n = len(num)
    block = max(1, BLOCK_BYTES // (8 * n))
    ratios = np.empty((resamples, num.shape[1]))
    for start in range(0, resamples, block):
        counts, rows = _counts(rng, min(block, resamples - start), n), ratios[start : start + block]
        np.matmul(counts, num, out=rows)
        rows /= counts @ den
    return ratios


def _counts(rng: np.random.Generator, resamples: int, n: int) -> np.ndarray:
    """How often each sample was drawn, (resamples, n) float64."""
    drawn = rng.integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _acceleration(num: np.ndarray, den: np.ndarray) -> np.ndarray:
    """Σu³ / (6 (Σu²)^1.5) with u the mean minus each leave-one-out ratio, (k,); 0 where all are alike."""
    left_out = (num.sum(axis=0) - num) / (den.sum(axis=0) - den)
    u = left_out.mean(axis=0) - left_out
    squares = (u**2).sum(axis=0)
    return np.where(squares > 0, (u**3).sum(axis=0) / (6 * squares**1.5), 0.0)


def _bca_bounds(
    ratios: np.ndarray, estimate: np.ndarray, acceleration: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """`ratios` sorted along axis 0. Resamples equal to the estimate count half."""
    from scipy.special import ndtr, ndtri  # a quarter of a second to import, so only where it is used

    resamples = len(ratios)
    below = ((ratios < estimate).mean(axis=0) + (ratios <= estimate).mean(axis=0)) / 2
    # an estimate beyond every resample is as far out as half a resample, not infinitely far
    bias = ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = (ndtr(bias + (bias + side) / (1 - acceleration * (bias + side))) for side in (-z, z))
    return _quantile(ratios, low), _quantile(ratios, high)


def _quantile(ordered: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """One fraction per column, linear between order statistics (NumPy's default)."""
    position = np.where(np.isfinite(fraction), fraction, 0.0) * (len(ordered) - 1)
    before = np.minimum(position.astype(np.int64), len(ordered) - 2)
    low, high = (np.take_along_axis(ordered, (before + step)[None], axis=0)[0] for step in (0, 1))
    return np.where(np.isnan(fraction), np.nan, low + (high - low) * (position - before))
