"""`sweep` and `resume`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from qdash.cli.output import JsonFile, StoreUrl, amount, note, say, shown, table, unit_of_change, write_json
from qdash.cli.qat import finish

if TYPE_CHECKING:
    from qdash.results.models import AllQuantized
    from qdash.results.rows import LayerRow
    from qdash.results.sweep import SweepResult
    from qdash.spec.sweep import SweepSpec


def sweep(spec: "SweepSpec", store: StoreUrl = None, json: JsonFile = None) -> None:
    """Quantize layer by layer and measure what each layer's quantization does to the model."""
    from qdash.answers.stored import load_sweep
    from qdash.cli.progress import compute_new
    from qdash.store.runs import NewRun
    from qdash.store.store import Store

    with Store.open(store) as opened:
        run_id = opened.runs.create(NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data))
        compute_new(opened, run_id, spec.executor, "sweep", f"run {run_id}")
        _report(load_sweep(opened, run_id).result(), json)


def sweep_with_options() -> Callable[..., None]:
    """`sweep` with an option for each field of the spec."""
    from qdash.cli.options import with_options
    from qdash.spec.sweep import SweepSpec

    return with_options(sweep, SweepSpec, layers="GLOB")


def resume(
    run: Annotated[str, typer.Argument(help="a run's id, a unique beginning of it, or latest")],
    store: StoreUrl = None,
    json: JsonFile = None,
) -> None:
    """Go on with an interrupted, cancelled or failed run; nothing that is done is repeated."""
    from qdash.answers.stored import load_sweep
    from qdash.cli.progress import compute
    from qdash.store.store import Store

    with Store.open(store) as opened:
        found = opened.runs.get(run)
        note(f"run {found.id}")
        done = compute(opened, found.id, "inline", found.kind)
        if done.kind == "sweep":
            _report(load_sweep(opened, done.id).result(), json)
        elif done.kind == "qat":
            finish(opened, done.id, None, json)
        elif json is not None:
            write_json({"run_id": done.id, "kind": done.kind, "status": done.status}, json)


def report(result: "SweepResult") -> None:
    """A sweep for a person: the answer in a sentence, notes, the ranking."""
    base, unit = result.baseline, result.baseline.unit
    say(f"run {result.run_id}: {result.model} on {base.samples} samples of {result.data}")
    say(f"FP32 {base.metric} {amount(base.value, unit)}, {shown(base.size_mb, 2, 'MB')}")
    for entry in result.all_quantized_by_setting:
        if entry.value is not None:
            say(_all_quantized(entry, unit))
    share = result.coverage
    say(
        f"covered: {share.layers} layers, {100 * share.params_share:.1f} % of the parameters, "
        f"{100 * share.macs_share:.1f} % of the multiply-accumulates"
    )
    for line in result.notes:
        say(f"note: {line}")
    columns = (
        "layer",
        "type",
        "weights",
        "inputs",
        "output dB",
        "model dB",
        "KL nats",
        f"delta {unit_of_change(unit)}".rstrip(),
        "95 % interval",
    )
    table("most sensitive first", columns, (_row(row, unit_of_change(unit)) for row in result.layers))
    cost = result.cost
    say(f"cost: {shown(cost.forward_equivalents, 2)} forwards, {shown(cost.wall_s, 1, 's')}")


def _report(result: "SweepResult", json: str | None) -> None:
    if json is not None:
        write_json(result, json)
    if json != "-":
        report(result)


def _all_quantized(entry: "AllQuantized", unit: str) -> str:
    change, setting = unit_of_change(unit), entry.settings.setting
    delta, low, high = (amount(x, change, with_unit=False) for x in (entry.delta, entry.delta_low, entry.delta_high))
    said = f"change {delta} [{low}, {high}] {change}".rstrip()
    return (
        f"all layers quantized ({setting.observer}, {setting.weight_format}): {amount(entry.value, unit)}, {said}, "
        f"SQNR {shown(entry.sqnr_db, 1, 'dB')}, {shown(entry.size_mb, 2, 'MB')}"
    )


def _row(row: "LayerRow", unit: str) -> tuple[str, ...]:
    setting, kl = row.settings.setting, row.model_output_kl
    low, high = (amount(end, unit, with_unit=False) for end in (row.metric_delta_low, row.metric_delta_high))
    return (
        row.layer,
        row.type,
        setting.weight_format,
        setting.input_format,
        shown(row.layer_output_sqnr_db, 1),
        row.status if row.status in ("non_finite", "no_path") else shown(row.model_output_sqnr_db, 1),
        "–" if kl is None else f"{kl:.2e}",
        amount(row.metric_delta, unit, with_unit=False),
        "–" if row.metric_delta is None else f"{low} … {high}",
    )
