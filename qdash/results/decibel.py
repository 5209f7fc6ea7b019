"""Signal-to-noise ratios from sums."""

import math


def sqnr_db(signal: float | None, noise: float | None) -> float | None:
    """10·log10(signal/noise) in dB; ∞ without noise, −∞ for noise without signal, None where a sum is not there.

    >>> sqnr_db(100.0, 1.0), sqnr_db(0.0, 0.0), sqnr_db(0.0, 1.0)
    (20.0, inf, -inf)
    """
    if signal is None or noise is None or math.isnan(signal) or math.isnan(noise):
        return None
    if noise == 0:
        return math.inf
    if signal == 0 or math.isinf(noise):
        return -math.inf
    return 10 * (math.log10(signal) - math.log10(noise))


def standard_error_db(noise: float | None, variance: float | None) -> float | None:
    """Of the SQNR in dB, from the variance of its noise to first order: (10/ln 10)·σ/noise; None where unknown.

    >>> round(standard_error_db(100.0, 1.0), 4), standard_error_db(0.0, 0.0)
    (0.0434, None)
    """
    if not noise or variance is None or not math.isfinite(noise) or not math.isfinite(variance):
        return None
    return 10 / math.log(10) * math.sqrt(variance) / noise
