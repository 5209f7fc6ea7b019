"""Deleting a run: with what was measured from it, and with the artifacts that no other run uses."""

from collections.abc import Iterable
from dataclasses import dataclass

from qdash import home
from qdash.artifacts import parts_of
from qdash.store.runs import Run
from qdash.store.store import Store


@dataclass(frozen=True)
class Deleted:
    """What is gone: runs, the files of artifacts by name, and their size in bytes."""

    runs: tuple[str, ...]
    files: tuple[str, ...]
    size: int

    def __str__(self) -> str:
        children = len(self.runs) - 1
        measured = f" with {children} that {'belongs' if children == 1 else 'belong'} to it" if children else ""
        count = f"{len(self.files)} file{'' if len(self.files) == 1 else 's'}"
        kept = f", and {count} ({self.size / 1e6:.1f} MB) that no other run uses" if self.files else ""
        return f"Deleted the run{measured}{kept}."


def delete_run(store: Store, run_id: str) -> Deleted:
    """Deletes a run and what was measured from it. Raises InputError while one of them is running."""
    run = store.runs.get(run_id)
    children = store.runs.list(parent=run.id, limit=None)
    for each in (*children, run):
        store.runs.delete(each.id)
    files, size = _remove(_artifacts((*children, run)) - _artifacts(store.runs.list(limit=None)), store)
    return Deleted((run.id, *(child.id for child in children)), files, size)


def _artifacts(runs: Iterable[Run]) -> set[str]:
    """The names of the files that runs made or read."""
    names: set[str] = set()
    for run in runs:
        facts = run.facts or {}
        names |= {facts.get("calibration_file"), facts.get("weights_file"), *facts.get("trained_files", ())} - {
            None,
            "",
        }
    return names


def _remove(names: Iterable[str], store: Store) -> tuple[tuple[str, ...], int]:
    """(names of the files, bytes). None while a run that begins may be about to read them."""
    beginning = store.runs.list(status="running", limit=None) + store.runs.list(status="queued", limit=None)
    if any(run.facts is None for run in beginning):
        return (), 0
    folder, size = home.artifacts(), 0
    parts = [part for name in sorted(names) for part in parts_of(folder / name)]
    for part in parts:
        size += part.stat().st_size
        part.unlink(missing_ok=True)
    return tuple(part.name for part in parts), size
