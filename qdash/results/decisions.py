"""What a sweep that ran until decided has decided, layer by layer, with intervals valid at every look."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdash.results.tally import Tallies, Tally
from qdash.spec import SweepSpec
from qdash.stats.sequential import Looks

NOTHING: dict[str, Any] = {"decision": None, "samples_to_decide": None}


def looks_of(spec: SweepSpec, facts: Mapping[str, Any]) -> Looks | None:
    """The planned looks; None for a sweep that measures every sample."""
    if not spec.until_decided:
        return None
    return Looks(facts["samples"]["evaluation"], spec.batch_size, spec.tolerance / 100)


def decided(looks: Looks | None, tallies: Tallies, tally: Tally, factor: float) -> dict[str, Any]:
    """`decision` (`safe`, `sensitive`, `undecided`), `samples_to_decide` if undecided, and the interval in points."""
    found = tally.values("outcome")
    if looks is None or not len(found):
        return NOTHING
    difference = found - tallies.baseline_of(tally).values("outcome")
    gained, lost, n = int(np.sum(difference > 0)), int(np.sum(difference < 0)), len(difference)
    low, high = looks.interval(gained, lost, n)
    decision = looks.decision(gained, lost, n) if n in looks.counts else None
    return {
        "decision": decision or "undecided",
        "samples_to_decide": None if decision else looks.samples_needed(gained, lost, n),
        "metric_delta_low": low * factor,
        "metric_delta_high": high * factor,
    }
