"""The calibration histogram of given values, counted with NumPy."""

import numpy as np

from qdash.quant.log_histogram import LogHistogram, bin_indices

BINS = 65_536


def count(values):
    """Dense counts of finite values, (65,536,) int64: they merge by addition."""
    return np.bincount(bin_indices(values).ravel(), minlength=BINS)


def sparse(counts):
    """The occupied bins of dense counts."""
    bins = np.flatnonzero(counts)
    return LogHistogram(bins.astype(np.int32), np.asarray(counts)[bins].astype(np.int64))
