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
