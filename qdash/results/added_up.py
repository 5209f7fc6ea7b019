"""What a mixed model would lose if the errors of its layers simply added up: an estimate, not a measurement."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from qdash.results.decibel import sqnr_db
from qdash.results.leave_one_out import leaves_one_out


def added_up(rows: Sequence[Mapping[str, Any]], keep: Collection[str]) -> dict[str, float | None]:
    """`sqnr_db` and `kl` (nats) of the model's output with every layer quantized but `keep`.

    Single-layer noise energies and KL are added up, which takes errors for independent. rows: of one setting, measured
    one layer at a time. None where a layer's error isn't known.
    """
    quantized = [row for row in rows if row["layer"] not in set(keep)]
    known = all(not leaves_one_out(row["method"]) and row["status"] == "ok" for row in rows)
    ratios = [_noise(row["model_output_sqnr_db"]) for row in quantized]
    kls = [row["model_output_kl"] for row in quantized]
    return {
        "sqnr_db": sqnr_db(1.0, sum(ratios)) if known and None not in ratios else None,  # type: ignore[arg-type]
        "kl": float(sum(kls)) if known and None not in kls else None,
    }


def _noise(value: float | None) -> float | None:
    if value is None or math.isnan(value) or value == -math.inf:
        return None
    return 0.0 if value == math.inf else float(10 ** (-value / 10))
