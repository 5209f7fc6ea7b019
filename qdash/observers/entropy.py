"""The clipping threshold that loses the least information (Migacz, GTC 2017, S7310: TensorRT's calibration)."""

from functools import lru_cache
from typing import ClassVar

import numpy as np

from qdash.formats.base import ScaledFormat
from qdash.observers.base import REGISTRY, Observer, Range, affine_range, largest_magnitude, symmetric_range
from qdash.quant.cells import Cells, linear_histogram, magnitudes
from qdash.quant.statistics import Statistics

BINS = 2048
FIRST_CANDIDATE = 128
CHANNEL_STRIDE = 16
ROUNDING = 1e-12  # nats
BLOCK = 1 << 14  # edges looked at together: what is computed from them stays in the cache
OUTLIER_SHARE = 1e-3  # beyond the first candidate: fewer values than this don't decide how wide a bin is


@REGISTRY.register("entropy")
class Entropy(Observer):
    """The threshold t on |x| that minimises the KL divergence between the original and the quantized distribution.

    As TensorRT: 2,048 bins of |x|, candidates from bin 128 on, outliers counted in the last bin, empty bins left out.
    Exact zeros are not counted (every grid holds them exactly). Affine: both ends are clipped, to [max(minimum, −t),
    min(maximum, t)]; data of one sign have all levels on their side. A format with more levels than there are bins is
    not clipped, nor are fewer values than bins: their histogram says nothing. A single kept bin says nothing either and
    is no candidate. Equally good thresholds: the largest. With one scale per channel every 16th candidate is tried.
    Where outliers are so far away that nearly all values lie in the first 128 bins, the bins are laid over the values
    without the outliers, which would otherwise decide the range alone. ONNX Runtime's calibrator has 128 bins over both
    signs, counts zeros, gives its levels whole bins and smooths empty ones: another, coarser divergence.
    """

    needs_distribution: ClassVar[bool] = True

    def clipping_range(self, statistics: Statistics, format: ScaledFormat, scheme: str) -> Range:
        """One threshold per row; a row without values keeps its exact range."""
        shares = format.level_edges(scheme, statistics.one_sided)
        threshold = thresholds(statistics.cells, largest_magnitude(statistics), shares)
        if scheme == "symmetric":
            return symmetric_range(threshold, statistics, format)
        return affine_range(-threshold, threshold, statistics)


def thresholds(cells: Cells, limit: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The best clipping threshold of |x| for each row, (rows,).

    `limit`: the largest |x| of each row. `shares`: where levels begin and end, see `ScaledFormat.level_edges`.
    """
    if len(shares) > BINS:
        return limit
    usable = (limit > 0) & np.isfinite(limit)
    counts, span = _histogram(cells, np.where(usable, limit, 1.0))
    edges = _edges(tuple(shares.tolist()), 1 if len(limit) == 1 else CHANNEL_STRIDE)
    best = [edges[_first_of_the_best(kl_divergences(row, edges)), -1] if row.any() else BINS for row in counts]
    return np.where(usable & (counts.sum(axis=1) >= BINS), span * (np.array(best) / BINS), limit)


def _histogram(cells: Cells, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of |x| in BINS bins over [0, span] and in one more for all beyond, (rows, BINS + 1); spans, (rows,)."""
    positive = magnitudes(cells)
    positive = positive._replace(mass=np.where(positive.high > 0, positive.mass, 0.0))
    counts, span = linear_histogram(positive, limit * ((BINS + 1) / BINS), BINS + 1), limit.copy()
    counts[:, -2] += counts[:, -1]  # the limit itself
    counts[:, -1] = 0
    crowded = np.flatnonzero(_crowded(counts))
    while len(crowded):
        span[crowded] *= 2 * FIRST_CANDIDATE / BINS
        counts[crowded] = linear_histogram(positive.take(crowded), span[crowded] * ((BINS + 1) / BINS), BINS + 1)
        crowded = crowded[_crowded(counts[crowded])]
    return counts, span


def _crowded(counts: np.ndarray) -> np.ndarray:
    """Where the first candidate keeps nearly all values of a row already, (rows,)."""
    total, beyond = counts.sum(axis=1), counts[:, FIRST_CANDIDATE:].sum(axis=1)
    crowded: np.ndarray = (total > 0) & (beyond <= OUTLIER_SHARE * total)
    return crowded


def _first_of_the_best(divergences: np.ndarray) -> int:
    """The largest threshold comes first; what differs by rounding alone is equally good."""
    return int(np.argmax(divergences <= divergences.min() + ROUNDING))


@lru_cache(maxsize=16)
def _edges(shares: tuple[float, ...], stride: int) -> np.ndarray:
    """Formats and schemes are few, tensors are many."""
    return bin_edges(np.array(shares), BINS, FIRST_CANDIDATE, stride)


def bin_edges(shares: np.ndarray, last: int, first: int, stride: int) -> np.ndarray:
    """Where each level's bins start when `last`, `last` − stride, … `first` bins are kept: (candidates, levels + 1).

    shares: (levels + 1,). At least as many bins as levels are kept.
    """
    sizes = np.arange(last, max(first, len(shares) - 1) - 1, -stride)
    return np.ceil(shares * sizes[:, None]).astype(np.int64)


def kl_divergences(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """KL(reference ‖ quantized) in nats, (candidates,), for the candidates of `bin_edges` on (bins,) counts.

    The reference has the clipped mass in its last bin; the quantized distribution shares the mass of each level out
    evenly over the level's occupied bins. Both sums fall apart into prefix sums over the bins and one term per level,
    so no distribution is written out. Infinite where a kept distribution is empty or its last bin is, and where it has
    one bin only: all the mass in one place is equal to itself, whatever was clipped.
    """
    sizes = edges[:, -1]
    below, occupied, information = (_prefix(part) for part in (counts, counts > 0, _x_log_x(counts)))
    total, kept, last = below[-1], below[sizes], counts[sizes - 1]
    outliers = total - kept
    reference = information[sizes - 1] + _x_log_x(last + outliers)
    blocks = np.array_split(np.arange(len(edges)), max(1, edges.size // BLOCK))
    cross = np.concatenate([_cross_terms(below, occupied, edges[block], outliers[block]) for block in blocks])
    impossible = (occupied[sizes] < 2) | ((last == 0) & (outliers > 0))
    log_kept = np.log(np.where(kept > 0, kept / total, 1.0))
    return np.where(impossible, np.inf, (reference - cross) / total + log_kept)


def _cross_terms(below: np.ndarray, occupied: np.ndarray, edges: np.ndarray, outliers: np.ndarray) -> np.ndarray:
    """Σ mass · log density of the levels, (candidates,); the outliers count in the last level."""
    mass, bins = np.diff(below[edges]), np.diff(occupied[edges])
    log_density = np.log(np.divide(mass, bins, out=np.ones_like(mass), where=bins > 0))
    terms: np.ndarray = np.einsum("cl,cl->c", mass, log_density) + outliers * log_density[:, -1]
    return terms


def _prefix(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _x_log_x(x: np.ndarray) -> np.ndarray:
    return x * np.log(np.where(x > 0, x, 1.0))
