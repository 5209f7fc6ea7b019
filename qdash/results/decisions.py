"""What a sweep that ran until decided has decided, layer by layer, with intervals valid at every look."""

from dataclasses import dataclass

import numpy as np

from qdash.records.facts import RunFacts
from qdash.results.rows import Decision
from qdash.results.tally import Tallies, Tally
from qdash.spec.sweep import SweepSpec
from qdash.stats.sequential import Looks


@dataclass(frozen=True)
class Decided:
    """A decision with its interval in the metric's difference unit."""

    decision: Decision
    low: float
    high: float


def looks_of(spec: SweepSpec, facts: RunFacts) -> Looks | None:
    """The planned looks; None for a sweep that measures every sample."""
    if not spec.until_decided:
        return None
    return Looks(facts.samples.evaluation, spec.batch_size, spec.tolerance / 100)


def decided(looks: Looks | None, tallies: Tallies, tally: Tally, factor: float) -> Decided | None:
    """None where every sample is measured, or none has been yet."""
    found = tally.values("outcome")
    if looks is None or not len(found):
        return None
    difference = found - tallies.baseline_of(tally).values("outcome")
    gained, lost, n = int(np.sum(difference > 0)), int(np.sum(difference < 0)), len(difference)
    low, high = looks.interval(gained, lost, n)
    decision = looks.decision(gained, lost, n) if n in looks.counts else None
    left = None if decision else looks.samples_needed(gained, lost, n)
    return Decided(Decision(decision=decision or "undecided", samples_to_decide=left), low * factor, high * factor)
