"""Executors: where the work of a job runs; the records are the same everywhere."""

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from qdash.errors import UnknownNameError
from qdash.records.scores import Record
from qdash.registry import Member, Registry

REGISTRY: "Registry[Executor]" = Registry("executors")

ShouldStop = Callable[[], bool]


class Work(Protocol):
    """A resumable computation. Its class is built from (spec JSON, folder for artifacts)."""

    def advance(self, position: str | None, should_stop: ShouldStop) -> Iterator[Record]:
        """Goes on from `position` (None: from the start) for about two seconds, or until `should_stop()`.

        Yields Facts and Scores, and as the last record a Progress with the next position. May be called with any
        position that an earlier Progress gave, in a new process too.
        """

    def close(self) -> None:
        """Leaves everything it touched as it was; not called again."""


KINDS = {
    "sweep": "qdash.sweep.works.sweep:SweepWork",
    "probe": "qdash.sweep.works.probe:ProbeWork",
    "measure": "qdash.sweep.works.measure:MeasureWork",
    "qat": "qdash.sweep.works.qat:QatWork",
}


def build_work(kind: str, spec: str, artifacts: str) -> Work:
    """The work of a job kind, in this process. `spec`: JSON text; `artifacts`: a folder that exists.

    kind: a name of KINDS, or `module:Class`. Raises UnknownNameError for another one.
    """
    module, colon, name = KINDS.get(kind, kind).partition(":")
    if not colon:
        raise UnknownNameError("job kind", kind, KINDS)
    work: Work = getattr(importlib.import_module(module), name)(spec, artifacts)
    return work


class Executor(Member):
    """Opens a Work somewhere.

    Laws, tested over all members: the same records as `inline`; errors of the tree `qdash.errors` arrive as
    themselves; leaving the context ends whatever was started.
    """

    isolated: ClassVar[bool] = False

    @abstractmethod
    def open(self, kind: str, spec: str, artifacts: str) -> AbstractContextManager[Work]:
        """The work, ready to advance. Raises InputError where the spec can't be met."""
