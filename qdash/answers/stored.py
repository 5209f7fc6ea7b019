"""Stored runs as results: what every page, the command line and the exporters read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from qdash.errors import InputError
from qdash.records.facts import RunFacts, read_facts
from qdash.records.scores import Score
from qdash.results.frontier import Point, frontier_point
from qdash.results.qat import QatResult, qat_result
from qdash.results.sweep import SweepResult, sweep_result
from qdash.results.tally import Tallies
from qdash.spec.mixed import MeasureSpec, QatSpec
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import Run
from qdash.store.store import Store

_AMONG = 50  # sweeps that may be parts of others


@dataclass(frozen=True)
class Sweep:
    """A stored sweep with all that it found."""

    run: Run
    spec: SweepSpec
    facts: RunFacts
    tallies: Tallies

    def result(self) -> SweepResult:
        """The sweep JSON, field by field."""
        return sweep_result(self.run.id, self.spec, self.facts, self.tallies, self.run.cost)

    def setting(self, key: str | None = None) -> Setting:
        """A setting of the matrix by its key; the first one where None. Raises InputError."""
        settings = {setting.key: setting for setting in self.spec.settings()}
        if key is None:
            return next(iter(settings.values()))
        if key not in settings:
            raise InputError(f"run {self.run.id} has no setting {key!r}; it has: {', '.join(settings)}")
        return settings[key]


def load_sweep(store: Store, run_id: str) -> Sweep:
    """`latest` is that of `latest_sweep`. Raises InputError where the run is no sweep or has found nothing yet."""
    latest = latest_sweep(store) if run_id == "latest" else None
    run = latest or store.runs.get(run_id)
    if run.kind != "sweep":
        raise InputError(f"run {run.id} is a {run.kind}, not a sweep; its sweep is {run.parent or 'not stored'}")
    found = _found(run)
    with _undamaged(run):
        spec, facts = SweepSpec.model_validate_json(run.spec), read_facts(found)
    return Sweep(run, spec, facts, Tallies(store.scores.read(run.id)))


def _found(run: Run) -> Mapping[str, object]:
    """The stored facts. Raises InputError where the run has found nothing yet."""
    if run.facts is None:
        why = f": {run.error}" if run.error else ""
        raise InputError(f"run {run.id} ({run.status}) has no results yet{why}")
    return run.facts


@contextmanager
def _undamaged(run: Run) -> Iterator[None]:
    """Raises InputError where what is stored of the run is not what was written."""
    try:
        yield
    except ValueError as error:
        said = f"what the store holds of run {run.id} is damaged ({' '.join(str(error).split())[:80]})"
        raise InputError(f"{said}; delete it and run it again") from error


def latest_sweep(store: Store) -> Run | None:
    """The newest sweep that isn't a part of another one; None on an empty store."""
    sweeps = store.runs.list(kind="sweep", limit=_AMONG)
    return next((run for run in sweeps if run.parent is None), next(iter(sweeps), None))


@dataclass(frozen=True)
class QatRun:
    """A stored fine-tune with all that it found."""

    run: Run
    spec: QatSpec
    facts: RunFacts
    scores: Sequence[Score]

    def result(self) -> QatResult:
        """The JSON of `qat`, field by field."""
        return qat_result(self.run.id, self.run.parent, self.spec, self.facts, self.scores, self.run.cost)


def load_qat(store: Store, run_id: str) -> QatRun:
    """Raises InputError where the run is no fine-tune or has found nothing yet."""
    run = store.runs.get(run_id)
    if run.kind != "qat":
        raise InputError(f"run {run.id} is a {run.kind}, not a fine-tune; start one with: python -m qdash qat RUN")
    found = _found(run)
    with _undamaged(run):
        spec, facts = QatSpec.model_validate_json(run.spec), read_facts(found)
    return QatRun(run, spec, facts, store.scores.read(run.id))


def measured_points(store: Store, sweep: Sweep, setting: Setting) -> list[Point]:
    """Every set measured for a sweep under a setting, smallest first; of repeated ones that with most samples."""
    best: dict[tuple[str, ...], Point] = {}
    for tallies, keep in measurements(store, sweep, setting):
        point = frontier_point(keep, sweep.facts, setting, tallies, sweep.spec.seed)
        key = tuple(sorted(keep))
        if point is not None and point.samples > (best[key].samples if key in best else 0):
            best[key] = point
    return sorted(best.values(), key=lambda point: (point.k, point.size_mb))


def measurements(store: Store, sweep: Sweep, setting: Setting) -> list[tuple[Tallies, tuple[str, ...]]]:
    """(scores, keep set) of every measurement of a sweep under a setting."""
    found = []
    for run in store.runs.list(kind="measure", parent=sweep.run.id, limit=1000):
        spec = MeasureSpec.model_validate_json(run.spec)
        if spec.setting == setting:
            tallies = Tallies(store.scores.read(run.id))
            found += [(tallies, keep) for keep in spec.keep_sets]
    return found
