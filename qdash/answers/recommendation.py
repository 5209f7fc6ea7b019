"""From a finished sweep to an answer: which mixed models to measure, and what they let one recommend."""

from collections.abc import Sequence

from qdash.answers.stored import Sweep, load_sweep, measured_points
from qdash.recommenders.base import DEFAULT, REGISTRY
from qdash.results.frontier import NOT_MET, Limits, Point, Recommendation, choose
from qdash.results.rows import KeyedSetting, LayerRow
from qdash.results.sweep import setting_result
from qdash.spec.checked import checked
from qdash.spec.mixed import MeasureSpec, QatSpec
from qdash.spec.setting import Setting
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
        keep_sets = REGISTRY.create(DEFAULT).propose(ranked_rows(sweep, setting))
    spec = MeasureSpec(sweep=sweep.spec, setting=setting, keep_sets=tuple(tuple(keep) for keep in keep_sets))
    spec.check_layers(sweep.facts.by_layer)
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
        keep = recommendation(store, sweep, setting, Limits()).keep_fp32
    values = {"sweep": sweep.spec, "setting": setting.untrained, "keep": tuple(keep)}
    spec = checked(QatSpec, **values, training=training, epochs=epochs)
    spec.check_layers(sweep.facts.by_layer)
    run, title = sweep.run, f"fine-tune with {len(spec.keep)} layers in FP32"
    return store.runs.create(
        NewRun("qat", spec.model_dump_json(), model=run.model, data=run.data, title=title, parent=run.id)
    )


def ranked_rows(sweep: Sweep, setting: Setting) -> Sequence[LayerRow]:
    """The sweep's rows under one setting, worst first."""
    return setting_result(sweep.spec, setting, sweep.facts, sweep.tallies).layers


def missing_sets(
    sweep: Sweep, rows: Sequence[LayerRow], points: Sequence[Point], recommender: str = DEFAULT
) -> list[tuple[str, ...]]:
    """The recommender's sets that are not measured on all samples yet.

    rows: of one setting, worst first; points: its measured curve.
    """
    samples = sweep.facts.samples.evaluation
    done = {frozenset(point.layers) for point in points if point.samples >= samples}
    return [keep for keep in REGISTRY.create(recommender).propose(rows) if frozenset(keep) not in done]


def finer_sets(
    sweep: Sweep, rows: Sequence[LayerRow], points: Sequence[Point], limits: Limits, recommender: str = DEFAULT
) -> list[tuple[str, ...]]:
    """Sets between the largest that fails and the smallest that meets the tolerance, empty once they touch.

    rows, points: as in `missing_sets`.
    """
    chosen = choose(points, limits, sweep.facts.metric.higher_is_better)
    if chosen.verdict == NOT_MET or chosen.point is None:
        return []
    large_enough = chosen.point.k
    too_small = max((point.k for point in points if point.k < large_enough), default=large_enough)
    return REGISTRY.create(recommender).between(rows, too_small, large_enough)


def recommendation(
    store: Store, sweep: Sweep, setting: Setting, limits: Limits, points: Sequence[Point] | None = None
) -> Recommendation:
    """The smallest measured set within the limits. points: the measured frontier, read from the store where None."""
    points = measured_points(store, sweep, setting) if points is None else points
    chosen = choose(points, limits, sweep.facts.metric.higher_is_better)
    point = chosen.point
    return Recommendation(
        run_id=sweep.run.id,
        setting=KeyedSetting.of(setting),
        keep_fp32=point.layers if point else (),
        max_drop_points=limits.max_drop_points,
        verdict=chosen.verdict,
        samples_needed=chosen.samples_needed,
        chosen=point,
        frontier=points,
    )
