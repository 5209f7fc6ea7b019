"""What a mixed model would lose if the errors of its layers simply added up: an estimate, not a measurement."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qdash.records.names import among
from qdash.results.decibel import sqnr_db
from qdash.results.rows import LayerRow


@dataclass(frozen=True)
class AddedUp:
    """Of the model's output, KL in nats; None where a layer's error isn't known."""

    sqnr_db: float | None
    kl: float | None


def added_up(rows: Sequence[LayerRow], keep: Collection[str]) -> AddedUp:
    """With every layer quantized but `keep`; rows: of one setting, measured one layer at a time.

    Single-layer noise energies and KL are added up, which takes errors for independent.
    """
    kept = set(keep)
    quantized = [row for row in rows if not among(row.layer, kept)]
    known = all(row.status == "ok" and not row.remaining for row in rows)
    ratio = _sum([_noise(row.model_output_sqnr_db) for row in quantized])
    kl = _sum([row.model_output_kl for row in quantized])
    return AddedUp(sqnr_db(1.0, ratio) if known and ratio is not None else None, kl if known else None)


def _sum(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(sum(found)) if len(found) == len(values) else None


def _noise(value: float | None) -> float | None:
    if value is None or math.isnan(value) or value == -math.inf:
        return None
    return 0.0 if value == math.inf else float(10 ** (-value / 10))
