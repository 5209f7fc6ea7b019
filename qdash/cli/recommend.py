"""`recommend`: measures mixed models and says which layers to keep in FP32."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from qdash.cli.output import JsonFile, StoreUrl, amount, say, shown, table, write_json

if TYPE_CHECKING:
    from qdash.answers.confirm import Confirmed
    from qdash.answers.stored import Sweep
    from qdash.results.frontier import Limits, Point, Recommendation
    from qdash.spec.setting import Setting
    from qdash.store.store import Store


def recommend(
    run: Annotated[str, typer.Argument(help="a sweep's id, a unique beginning of it, or latest")],
    max_drop: Annotated[float, typer.Option(min=0.0, help="points of the metric that may be lost")] = 1.0,
    max_fp32: Annotated[int | None, typer.Option(min=0, help="layers that may stay in FP32")] = None,
    max_size: Annotated[float | None, typer.Option(min=0.0, help="MB that the model may weigh")] = None,
    setting: Annotated[str | None, typer.Option(help="key of a setting, where the sweep has several")] = None,
    recommender: Annotated[str, typer.Option(help="which sets are tried; see: list recommenders")] = "ranked",
    confirm: Annotated[bool, typer.Option(help="choose on one half of the samples, measure on the other")] = False,
    store: StoreUrl = None,
    json: JsonFile = None,
) -> None:
    """The smallest measured set of FP32 layers that keeps the metric within the tolerance."""
    from qdash.answers.confirm import confirmed
    from qdash.answers.recommendation import recommendation
    from qdash.answers.stored import load_sweep
    from qdash.results.frontier import Limits
    from qdash.results.plain import as_dict
    from qdash.store.store import Store

    limits = Limits(max_drop, max_fp32, max_size)
    with Store.open(store) as opened:
        sweep = load_sweep(opened, run)
        chosen = sweep.setting(setting)
        measure_frontier(opened, sweep, chosen, limits, recommender)
        found = recommendation(opened, sweep, chosen, limits)
        measure = _measure(opened, sweep, chosen)
        held = confirmed(opened, sweep, chosen, limits, measure, recommender) if confirm else None
    if json is not None:
        write_json(as_dict(found) | ({"confirmed": held} if confirm else {}), json)
    if json != "-":
        _report(found, held, sweep)


def measure_frontier(
    store: "Store", sweep: "Sweep", setting: "Setting", limits: "Limits", recommender: str = "ranked"
) -> None:
    """Measures what the recommender proposes and is not measured yet, then closer around the tolerance."""
    from qdash.answers.recommendation import finer_sets, missing_sets, ranked_rows
    from qdash.answers.stored import measured_points

    measure, rows = _measure(store, sweep, setting), ranked_rows(sweep, setting)
    measure(missing_sets(sweep, rows, measured_points(store, sweep, setting), recommender))
    while sets := finer_sets(sweep, rows, measured_points(store, sweep, setting), limits, recommender):
        measure(sets)


def _measure(store: "Store", sweep: "Sweep", setting: "Setting") -> Callable[[list[tuple[str, ...]]], None]:
    from qdash.answers.recommendation import create_measure_run
    from qdash.cli.progress import compute_new

    def measure(keep_sets: list[tuple[str, ...]]) -> None:
        if keep_sets:
            run_id = create_measure_run(store, sweep.run.id, keep_sets, setting)
            told = f"run {run_id}: measuring {len(keep_sets)} mixed models"
            compute_new(store, run_id, sweep.spec.executor, "measuring", told)

    return measure


def _report(found: "Recommendation", held: "Confirmed | None", sweep: "Sweep") -> None:
    unit, change, kept = sweep.facts.metric.unit, sweep.facts.metric.difference_unit, found.keep_fp32
    within = amount(found.max_drop_points, change)
    say(f"verdict: {found.verdict} within {within}, chosen and measured on the same samples")
    say(f"keep in FP32 ({len(kept)} of {len(sweep.facts.layers)}): {', '.join(kept) or 'nothing'}")
    if found.samples_needed:
        say(f"about {found.samples_needed} samples would show it")
    if held is not None:
        delta, low, high = (amount(x, change) for x in (held.delta, held.low, held.high))
        say(
            f"on {held.samples} held-back samples: {amount(held.value, unit)}, change {delta} [{low}, {high}] with "
            f"{len(held.layers)} layers in FP32"
        )
    columns = ("FP32 layers", "metric", f"delta {change}".rstrip(), "95 % interval", "size", "samples")
    table("measured mixed models", columns, [_row(point, unit, change) for point in found.frontier])


def _row(point: "Point", unit: str, change: str) -> tuple[str, ...]:
    delta, low, high = (amount(x, change, with_unit=False) for x in (point.delta, point.low, point.high))
    size = shown(point.size_mb, 3, "MB")
    return str(point.k), amount(point.value, unit), delta, f"{low} … {high}", size, str(point.samples)
