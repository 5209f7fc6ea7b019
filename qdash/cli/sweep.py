"""`sweep` and `resume`."""

from typing import Annotated, Any

import typer

from qdash.cli.output import JsonFile, StoreUrl, note, say, shown, table, write_json
from qdash.cli.qat import finish

Text = Annotated[str, typer.Option()]
_ACTIVATION_GRANULARITY = (
    "of dynamic ranges: per_token or per_sample (the default, by layer), or per_tensor: one range a call, as torch's "
    "dynamic quantization"
)
_POWER_OF_TWO = "round every scale up to a power of two, so that rescaling is a shift"


def sweep(
    model: Annotated[str, typer.Option(help="demo:NAME, python:FILE.py:CALLABLE or python:MODULE:CALLABLE")],
    data: Annotated[str, typer.Option(help="demo:NAME, FILE.npz, FILE.safetensors or python:FILE.py:CALLABLE")],
    calibration_data: Annotated[str | None, typer.Option(help="calibrate on another set; else DATA is split")] = None,
    training_data: Annotated[
        str | None, typer.Option(help="fine-tune on this set; else DATA's training split or the calibration samples")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="weights: .safetensors, or .pt/.pth/.th read safely")] = None,
    mode: Annotated[str, typer.Option(help="weight_only, dynamic, static or qat; see: list modes")] = "static",
    observer: Annotated[str, typer.Option(help="one or more, comma-separated; see: list observers")] = "mse",
    weight_format: Annotated[str, typer.Option(help="one or more, comma-separated; see: list formats")] = "int8",
    activation_format: Annotated[str, typer.Option(help="one or more, comma-separated; see: list formats")] = "int8",
    weight_granularity: Annotated[str, typer.Option(help="see: list granularities")] = "per_channel",
    activation_granularity: Annotated[str | None, typer.Option(help=_ACTIVATION_GRANULARITY)] = None,
    weight_scheme: Annotated[str, typer.Option(help="symmetric or affine")] = "symmetric",
    activation_scheme: Annotated[str, typer.Option(help="symmetric or affine")] = "affine",
    power_of_two_scales: Annotated[bool, typer.Option("--power-of-two-scales", help=_POWER_OF_TWO)] = False,
    method: Annotated[str, typer.Option(help="see: list methods")] = "one_at_a_time",
    metric: Annotated[str, typer.Option(help="see: list metrics")] = "accuracy",
    calibration_samples: Annotated[int | None, typer.Option(help="default: up to 100 calibration batches")] = None,
    samples: Annotated[int | None, typer.Option(help="evaluation samples; default: all")] = None,
    batch_size: Annotated[int, typer.Option(help="evaluation batch size")] = 128,
    calibration_batch_size: Annotated[int, typer.Option(help="a setting of moving_average")] = 32,
    layers: Annotated[str, typer.Option(metavar="GLOB", help="only these; whole names, comma-separated globs")] = "*",
    paranoid: Annotated[bool, typer.Option(help="compare a random tenth of the replays with full forwards")] = False,
    until_decided: Annotated[bool, typer.Option(help="stop measuring a layer once the tolerance is decided")] = False,
    tolerance: Annotated[float, typer.Option(help="points of the metric that a layer may cost")] = 1.0,
    include: Annotated[str, typer.Option(help="functional: matmul, attention and residual sums are layers too")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    memory_format: Annotated[str, typer.Option(help="auto: channels-last convolutions; or contiguous")] = "auto",
    seed: Annotated[int, typer.Option(help="of splits, subsamples and intervals")] = 0,
    executor: Annotated[str, typer.Option(help="where the work runs; see: list executors")] = "inline",
    store: StoreUrl = None,
    json: JsonFile = None,
) -> None:
    """Quantize layer by layer and measure what each layer's quantization does to the model."""
    from qdash.answers.stored import load_sweep
    from qdash.cli.progress import compute
    from qdash.spec import SweepSpec, checked
    from qdash.store.runs import NewRun
    from qdash.store.store import Store

    values: dict[str, Any] = {
        "observers": _several(observer),
        "include": _several(include),
        "weight_formats": _several(weight_format),
        "activation_formats": _several(activation_format),
    }
    given = dict(locals())
    named = {name: given[name] for name in SweepSpec.model_fields if name in given}
    spec = checked(SweepSpec, **named | values)
    with Store.open(store) as opened:
        run_id = opened.runs.create(NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data))
        note(f"run {run_id}")
        compute(opened, run_id, spec.executor, "sweep")
        _report(load_sweep(opened, run_id).result(), json)


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


def report(result: dict[str, Any]) -> None:
    """A sweep for a person: the answer in a sentence, notes, the ranking."""
    base, unit = result["baseline"], result["baseline"]["unit"]
    say(f"run {result['run_id']}: {result['model']} on {base['samples']} samples of {result['data']}")
    say(f"FP32 {base['metric']} {shown(base['value'], 2, unit)}, {shown(base['size_mb'], 2, 'MB')}")
    for entry in result["all_quantized_by_setting"]:
        if entry["value"] is not None:
            delta = f"{shown(entry['delta'])} [{shown(entry['delta_low'])}, {shown(entry['delta_high'])}]"
            where = f"{entry['settings']['observer']}, {entry['settings']['weight_format']}"
            say(
                f"all layers quantized ({where}): {shown(entry['value'], 2, unit)}, {delta} points, "
                f"SQNR {shown(entry['sqnr_db'], 1, 'dB')}, {shown(entry['size_mb'], 2, 'MB')}"
            )
    share = result["coverage"]
    say(
        f"covered: {share['layers']} layers, {100 * share['params_share']:.1f} % of the parameters, "
        f"{100 * share['macs_share']:.1f} % of the multiply-accumulates"
    )
    for line in result["notes"]:
        say(f"note: {line}")
    columns = (
        "layer",
        "type",
        "weights",
        "inputs",
        "output dB",
        "model dB",
        "KL nats",
        "delta points",
        "95 % interval",
    )
    table("most sensitive first", columns, (_row(row) for row in result["layers"]))
    cost = result["cost"]
    say(f"cost: {shown(cost['forward_equivalents'], 2)} forwards, {shown(cost['wall_s'], 1, 's')}")


def _report(result: dict[str, Any], json: str | None) -> None:
    if json is not None:
        write_json(result, json)
    if json != "-":
        report(result)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    settings = row["settings"]
    interval = f"{shown(row['metric_delta_low'])} … {shown(row['metric_delta_high'])}"
    kl = row["model_output_kl"]
    return (
        row["layer"],
        row["type"],
        settings["weight_format"],
        "FP32" if settings["mode"] == "weight_only" else settings["activation_format"],
        shown(row["layer_output_sqnr_db"], 1),
        row["status"] if row["status"] == "non_finite" else shown(row["model_output_sqnr_db"], 1),
        "–" if kl is None else f"{kl:.2e}",
        shown(row["metric_delta"]),
        "–" if row["metric_delta"] is None else interval,
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
