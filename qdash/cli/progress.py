"""Runs a job in this process with a progress bar, and stops between layers on Ctrl-C."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from qdash.cli import ENDING
from qdash.cli.output import note
from qdash.cli.streams import stdout_to_stderr
from qdash.errors import InputError, InterruptedRun
from qdash.records.scores import Progress, Record
from qdash.store.runs import Run
from qdash.store.store import Store

if TYPE_CHECKING:
    from qdash.jobs.steps import OnRecord


def compute(store: Store, run_id: str, executor: str, what: str, told: str = "") -> Run:
    """Computes a run to its end. told: a line on stderr as soon as it has found something.

    Raises InterruptedRun, which says how to go on, after Ctrl-C or a cancel.
    """
    from qdash.jobs.steps import run_inline

    with _Stop() as stop, stdout_to_stderr(), _bar(what) as update:
        lines = [told] if told else []

        def on_record(record: Record) -> None:
            if lines:
                note(lines.pop())
            if update is not None:
                update(record)

        run = run_inline(store, run_id, executor, should_stop=lambda: stop.asked, on_record=on_record)
    if run.status != "done":
        raise InterruptedRun(f"{run.status}; what is done is kept; go on with: python -m qdash resume {run.id}")
    return run


def compute_new(store: Store, run_id: str, executor: str, what: str, told: str) -> Run:
    """`compute` for a run that this command has made: input that is refused leaves no run in the history."""
    try:
        return compute(store, run_id, executor, what, told)
    except InputError:
        if store.runs.get(run_id).facts is None:
            store.runs.delete(run_id)
        raise


class _Stop:
    """The first Ctrl-C asks to stop after the current layer; the second one ends at once."""

    def __enter__(self) -> "_Stop":
        self.asked = False
        ending = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup wants it so
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, *ending)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write("\nstopping after this layer; Ctrl-C again ends at once\n")


@contextmanager
def _bar(what: str) -> Iterator["OnRecord | None"]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("so far, left"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)

        def update(record: Record) -> None:
            if isinstance(record, Progress):
                bar.update(task, completed=record.done, total=record.total)

        yield update
