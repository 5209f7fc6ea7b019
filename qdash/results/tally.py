"""Scores of many batches joined: sums added up, samples aligned with the baseline's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from qdash.records.scores import Score
from qdash.records.sums import ScoreSums

Key = tuple[str, str, str]  # kind, subject, setting


@dataclass
class Tally:
    """One subject over the batches measured so far."""

    sums: dict[str, float] = field(default_factory=dict)
    batches: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def total(self) -> ScoreSums:
        """The sums by what they are."""
        return ScoreSums.of(self.sums)

    @property
    def samples(self) -> int:
        """How many it was measured on."""
        return int(self.sums.get("samples", 0))

    def add(self, score: Score) -> None:
        """A batch more."""
        for name, value in score.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.batches[score.batch] = score.samples

    def values(self, name: str) -> np.ndarray:
        """(samples,) float64 over its batches in order; empty where it was not kept."""
        parts = [samples[name] for _, samples in sorted(self.batches.items()) if name in samples]
        return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)

    def restricted(self, batches: Iterable[int]) -> "Tally":
        """Only the samples of these batches; sums are left out."""
        wanted = set(batches)
        return Tally({}, {b: s for b, s in self.batches.items() if b in wanted})

    def cut(self, cuts: Mapping[int, slice]) -> "Tally":
        """The given samples of each batch."""
        batches: dict[int, Mapping[str, np.ndarray]] = {
            b: {n: v[cuts[b]] for n, v in s.items()} for b, s in self.batches.items() if b in cuts
        }
        kept = Tally({}, batches)
        names = {name for samples in batches.values() for name in samples}
        kept.sums = {name: float(kept.values(name).sum()) for name in names}
        if names:
            kept.sums["samples"] = float(len(kept.values(next(iter(names)))))
        return kept


class Tallies:
    """All scores of a run by (kind, subject, setting)."""

    def __init__(self, scores: Iterable[Score] = ()):
        self.by_key: dict[Key, Tally] = {}
        self.add(scores)

    def add(self, scores: Iterable[Score]) -> None:
        """More scores, each (kind, subject, setting, batch) once."""
        for score in scores:
            self.by_key.setdefault((score.kind, score.subject, score.setting), Tally()).add(score)

    def get(self, kind: str, subject: str = "", setting: str = "") -> Tally:
        """Empty where there is none yet."""
        return self.by_key.get((kind, subject, setting), Tally())

    def baseline_of(self, tally: Tally) -> Tally:
        """FP32 on the same samples as `tally`."""
        return self.get("baseline").restricted(tally.batches)

    def half(self, second: bool) -> "Tallies":
        """Only the first or second half of the evaluation samples; sums are made again from the kept samples."""
        baseline = self.get("baseline")
        boundary = len(baseline.values("outcome")) // 2
        start, cuts = 0, {}
        for batch, samples in sorted(baseline.batches.items()):
            size = len(samples["outcome"])
            at = min(max(boundary - start, 0), size)
            cuts[batch] = slice(at, size) if second else slice(0, at)
            start += size
        part = Tallies()
        part.by_key = {key: tally.cut(cuts) for key, tally in self.by_key.items() if tally.batches}
        return part
