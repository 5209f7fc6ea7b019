"""From a finished sweep to an answer: which mixed models to measure, and what they let one recommend."""

from collections.abc import Sequence
from typing import Any

from qdash.answers.stored import Sweep, load_sweep, measured_points
from qdash.recommenders.base import REGISTRY
from qdash.results.frontier import Limits, choose
from qdash.spec import MeasureSpec, QatSpec, Setting, checked
from qdash.store.runs import NewRun
from qdash.store.store import Store


def create_measure_run(
    store: Store,
    sweep_run_id: str,
    keep_sets: Sequence[Sequence[str]] | None = None,
    setting: Setting | None = None,
) -> str:
    """A queued run that measures keep sets on the sweep's evaluation samples; the recommender's where None.

    Raises InputError where the sweep has found nothing yet, or a set names a layer that it doesn't have.
    """
    sweep = load_sweep(store, sweep_run_id)
    setting = setting or sweep.setting()
    if keep_sets is None:
        keep_sets = REGISTRY.create("ranked").propose(ranked_rows(sweep, setting))
    spec = MeasureSpec(sweep=sweep.spec, setting=setting, keep_sets=tuple(tuple(keep) for keep in keep_sets))
    spec.check_layers(layer["layer"] for layer in sweep.facts["layers"])
    title = f"{len(spec.keep_sets)} mixed models" if len(spec.keep_sets) > 1 else "one mixed model"
    return store.runs.create(
        NewRun(
            "measure",
            spec.model_dump_json(),
            model=sweep.run.model,
            data=sweep.run.data,
            title=title,
            parent=sweep.run.id,
        )
    )


def create_qat_run(
    store: Store,
    sweep_run_id: str,
    keep: Sequence[str] | None = None,
    setting: Setting | None = None,
    training: str = "qat",
    epochs: int | None = None,
) -> str:
    """A queued run that fine-tunes a mixed model end to end; it keeps the recommended set where `keep` is None, and
    nothing where none has been measured.

    training: a mode that trains, with its options, such as `qat:steps=300`. Raises InputError where the sweep has found
    nothing yet, or `keep` names a layer that it doesn't have.
    """
    sweep = load_sweep(store, sweep_run_id)
    setting = setting or sweep.setting()
    if keep is None:
        keep = recommendation(store, sweep, setting, Limits())["keep_fp32"]
    values = {"sweep": sweep.spec, "setting": setting.untrained, "keep": tuple(keep)}
    spec = checked(QatSpec, **values, training=training, epochs=epochs)
    spec.check_layers(layer["layer"] for layer in sweep.facts["layers"])
    run, title = sweep.run, f"fine-tune with {len(spec.keep)} layers in FP32"
    return store.runs.create(
        NewRun("qat", spec.model_dump_json(), model=run.model, data=run.data, title=title, parent=run.id)
    )


def ranked_rows(sweep: Sweep, setting: Setting) -> list[dict[str, Any]]:
    """The sweep's rows under one setting, worst first."""
    return [row for row in sweep.result()["layers"] if row["settings"]["key"] == setting.key]


def missing_sets(store: Store, sweep: Sweep, setting: Setting) -> list[tuple[str, ...]]:
    """The recommender's sets that are not measured on all samples yet."""
    samples = sweep.facts["samples"]["evaluation"]
    points = measured_points(store, sweep, setting)
    done = {frozenset(p["layers"]) for p in points if p["samples"] >= samples}
    proposed = REGISTRY.create("ranked").propose(ranked_rows(sweep, setting))
    return [keep for keep in proposed if frozenset(keep) not in done]


def finer_sets(store: Store, sweep: Sweep, setting: Setting, limits: Limits) -> list[tuple[str, ...]]:
    """Sets between the largest that fails and the smallest that meets the tolerance, empty once they touch."""
    points = measured_points(store, sweep, setting)
    chosen = choose(points, limits, higher_is_better(sweep))
    if chosen["verdict"] == "not met" or chosen["point"] is None:
        return []
    large_enough = chosen["point"]["k"]
    too_small = max((p["k"] for p in points if p["k"] < large_enough), default=large_enough)
    return REGISTRY.create("ranked").between(ranked_rows(sweep, setting), too_small, large_enough)


def recommendation(
    store: Store, sweep: Sweep, setting: Setting, limits: Limits, points: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The JSON of `recommend`; `points`: the measured frontier, read from the store where None."""
    points = measured_points(store, sweep, setting) if points is None else points
    chosen = choose(points, limits, higher_is_better(sweep))
    point = chosen["point"]
    return {
        "run_id": sweep.run.id,
        "setting": setting.model_dump(mode="json") | {"key": setting.key},
        "keep_fp32": point["layers"] if point else [],
        "max_drop_points": limits.max_drop_points,
        "verdict": chosen["verdict"],
        "samples_needed": chosen["samples_needed"],
        "chosen": point,
        "frontier": list(points),
    }


def higher_is_better(sweep: Sweep) -> bool:
    """Of the sweep's metric."""
    return bool(sweep.facts["metric"]["higher_is_better"])
