"""Which layers are still measured: each leaves once its interval lies on one side of the tolerance."""

import json
from collections.abc import Iterable

import numpy as np

from qdash.records.scores import Score
from qdash.stats.sequential import Looks


class Race:
    """Discordant counts of every (layer, setting), and who has left. Its text form goes into a run's position."""

    def __init__(self, looks: Looks, state: str = ""):
        self._looks = looks
        saved = json.loads(state) if state else {"counts": {}, "left": []}
        self._counts: dict[str, list[int]] = saved["counts"]
        self._left: set[str] = set(saved["left"])

    def runs(self, layer: str, setting: str) -> bool:
        """Whether it is still undecided."""
        return _key(layer, setting) not in self._left

    def add(self, scores: Iterable[Score], fp32: np.ndarray) -> None:
        """Counts a slice's layer scores; `fp32`: the baseline's outcomes on the same batch, (samples,)."""
        for score in scores:
            if score.kind == "layer":
                difference = score.samples["outcome"] - fp32
                counts = self._counts.setdefault(_key(score.subject, score.setting), [0, 0, 0])
                counts[0] += int((difference > 0).sum())
                counts[1] += int((difference < 0).sum())
                counts[2] += len(difference)

    def look(self) -> None:
        """At the planned numbers of samples, those that are decided leave."""
        for key, (gained, lost, n) in self._counts.items():
            if key not in self._left and n in self._looks.counts and self._looks.decision(gained, lost, n):
                self._left.add(key)

    def dump(self) -> str:
        """For a new process."""
        return json.dumps({"counts": self._counts, "left": sorted(self._left)}, separators=(",", ":"))


def _key(layer: str, setting: str) -> str:
    return f"{setting} {layer}"
