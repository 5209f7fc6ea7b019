"""What one calibration pass knows about a tensor, enough for every observer."""

from dataclasses import dataclass

import numpy as np

from qdash.quant.cells import Cells
from qdash.quant.log_histogram import LogHistogram


@dataclass(frozen=True)
class Statistics:
    """Of one tensor, one row per scale.

    minimum, maximum: (rows,) float64, exact over everything seen; 0 where nothing was seen, NaN after a NaN.
    batch_minimum, batch_maximum: (batches, rows) float64, in order.
    cells: the distribution; `exact` says whether it holds the values themselves or a histogram of a subsample.
    """

    minimum: np.ndarray
    maximum: np.ndarray
    batch_minimum: np.ndarray
    batch_maximum: np.ndarray
    cells: Cells
    exact: bool

    @property
    def one_sided(self) -> bool:
        """Whether no row has values of both signs."""
        return bool(np.all(self.minimum >= 0) or np.all(self.maximum <= 0))

    @classmethod
    def from_values(cls, rows: np.ndarray) -> "Statistics":
        """Exact statistics of a 2-D array (rows, values) of float32 or float64: every value is a point of mass 1.

        A row with NaN or infinity has no distribution, and its range says so.
        """
        minimum, maximum = _extremes(rows)
        values = np.asarray(rows)
        finite = np.isfinite(minimum) & np.isfinite(maximum)
        mass = np.broadcast_to(finite[:, None].astype(np.float64), values.shape)
        values = values if finite.all() else np.where(finite[:, None], values, values.dtype.type(0))
        return cls(minimum, maximum, minimum[None], maximum[None], Cells(values, values, mass), exact=True)

    @classmethod
    def from_histogram(
        cls,
        minimum: np.ndarray,
        maximum: np.ndarray,
        batch_minimum: np.ndarray,
        batch_maximum: np.ndarray,
        bins: np.ndarray,
        counts: np.ndarray,
    ) -> "Statistics":
        """Statistics of a tensor with one scale, as a calibration pass found them.

        `minimum`, `maximum`: one number each; `batch_minimum`, `batch_maximum`: (batches,); `bins`, `counts`: a
        `LogHistogram`. Without a finite range there is no distribution.
        """
        low, high, lows, highs = (
            np.asarray(part, np.float64) for part in (minimum, maximum, batch_minimum, batch_maximum)
        )
        cells = Cells(*np.zeros((3, 1, 0)))
        if np.isfinite(low) and np.isfinite(high):
            cells = LogHistogram(bins, counts).cells(float(low), float(high))
        return cls(low.reshape(1), high.reshape(1), lows.reshape(-1, 1), highs.reshape(-1, 1), cells, exact=False)


def _extremes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not rows.size:
        return np.zeros(len(rows)), np.zeros(len(rows))
    return rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
