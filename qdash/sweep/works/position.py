"""Where a work goes on, as a run keeps it."""

from dataclasses import dataclass

START = "start"  # of a run that has measured nothing yet


@dataclass(frozen=True)
class Position:
    """The next item of a batch, both counted from 0, and what else a new process has to know.

    Stored as `batch:item`, with a state as `batch:item|state`. state: text of the work's own.

    >>> Position.parse("3:14")
    Position(batch=3, item=14, state='')
    >>> str(Position(1, 0, "{}"))
    '1:0|{}'
    >>> Position.parse("start") == Position.parse(None) == Position()
    True
    """

    batch: int = 0
    item: int = 0
    state: str = ""

    @classmethod
    def parse(cls, text: str | None) -> "Position":
        """The inverse of `str`; None and `start` are the beginning."""
        if text in (None, START):
            return cls()
        place, _, state = str(text).partition("|")
        batch, _, item = place.partition(":")
        return cls(int(batch), int(item), state)

    def __str__(self) -> str:
        place = f"{self.batch}:{self.item}"
        return f"{place}|{self.state}" if self.state else place

    @property
    def is_first(self) -> bool:
        """Whether nothing comes before it."""
        return (self.batch, self.item) == (0, 0)
