"""How fast a run works, smoothed, and how long it will still take."""

from dataclasses import dataclass, replace

WEIGHT = 0.3  # of the newest step: calm, and still right after a slow first batch


@dataclass(frozen=True)
class Pace:
    """at: seconds when `done` was last seen to change. rate: work per second, None before the first change."""

    at: float
    done: float
    rate: float | None = None

    def seen(self, at: float, done: float) -> "Pace":
        """The pace after another look; a run that was set back (resumed, other process) starts anew."""
        if done < self.done:
            return Pace(at, done)
        if done == self.done or at <= self.at:
            return self
        newest = (done - self.done) / (at - self.at)
        rate = newest if self.rate is None else WEIGHT * newest + (1 - WEIGHT) * self.rate
        return replace(self, at=at, done=done, rate=rate)

    def seconds_left(self, at: float, total: float) -> float | None:
        """None while unknown; never below 0, also where a step takes longer than the ones before."""
        if not self.rate or total <= 0:
            return None
        return max(0.0, (total - self.done) / self.rate - (at - self.at))
