"""Estimates against measurements: the sweeps that measured what another one estimated, and new ones that do."""

import glob
from collections.abc import Collection, Sequence
from functools import lru_cache

from qdash.answers.stored import Sweep
from qdash.errors import InputError, QdashError
from qdash.registry import family
from qdash.results.rows import LayerRow
from qdash.results.text import plural
from qdash.spec.checked import checked
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source, SweepSpec
from qdash.store.runs import NewRun, Run
from qdash.store.store import Store

FREE = {"samples", "batch_size", "device", "memory_format"}
SAME = set(Source.model_fields) - FREE
"""What two sweeps must share for their layers' numbers to mean the same; the setting comes on top."""
MOST_RUNS = 200


def estimates(spec: SweepSpec) -> bool:
    """Whether the sweep's method extrapolates instead of measuring."""
    return bool(family("methods").create(spec.method).estimates)


def measures(spec: SweepSpec) -> bool:
    """Whether the sweep measures what an estimate is of: the model's output with one layer quantized."""
    return bool(family("methods").create(spec.method).measures_one_layer())


def measuring_runs(store: Store, spec: SweepSpec, setting: Setting, weights: str | None = None) -> list[Run]:
    """The newest sweeps that measure, or will, what `spec` estimates under `setting`; also of some layers or samples.

    Newest first. A failed run counts with what it found before. weights: the digest of the estimate's weights; those
    trained anew under the same name are others.
    """
    runs = store.runs.list(kind="sweep", model=spec.model, limit=MOST_RUNS)
    same = (None, weights)
    return [run for run in runs if _measures(run, spec, setting) and (weights is None or _weights_of(run) in same)]


def worst_unmeasured(rows: Sequence[LayerRow], measured: Collection[str]) -> list[str]:
    """The layers of `rows`, worst first, that are not measured and that a pattern can name."""
    return [layer for layer in (row.layer for row in rows) if layer not in measured and _nameable(layer)]


def measuring_spec(spec: SweepSpec, setting: Setting, layers: Sequence[str]) -> SweepSpec:
    """The same sweep, measured, for some layers under one setting. Raises InputError without a layer."""
    if not layers:
        raise InputError("no layer to measure is named; choose at least one")
    changes = {
        "method": SweepSpec.model_fields["method"].default,
        "layers": ",".join(map(glob.escape, layers)),
        "observers": (setting.observer,),
        "weight_formats": (setting.weight_format,),
        "activation_formats": (setting.activation_format,),
    }
    return checked(SweepSpec, **spec.model_dump() | changes)


def create_measuring_run(store: Store, sweep: Sweep, setting: Setting, layers: Sequence[str]) -> str:
    """A queued run of `measuring_spec`, a child of the estimate; returns its id."""
    spec = measuring_spec(sweep.spec, setting, layers)
    title = f"{plural(len(layers), 'layer')} measured"
    return store.runs.create(
        NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data, title=title, parent=sweep.run.id)
    )


def _measures(run: Run, spec: SweepSpec, setting: Setting) -> bool:
    other = _spec(run.spec)
    if other is None or not measures(other) or any(getattr(other, n) != getattr(spec, n) for n in SAME):
        return False
    return setting.key in {one.key for one in other.settings()}


def _weights_of(run: Run) -> object:
    return (run.facts or {}).get("weights_digest")


def _nameable(layer: str) -> bool:
    """Patterns are separated by commas and stripped of spaces, and neither can be escaped."""
    return "," not in layer and layer == layer.strip()


@lru_cache(maxsize=2 * MOST_RUNS)
def _spec(text: str) -> SweepSpec | None:
    try:
        return SweepSpec.model_validate_json(text)
    except (ValueError, QdashError):  # of another version, or a family's member that is not installed here
        return None
