"""`qat`: fine-tunes a mixed model and measures what that wins back."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qdash.cli.output import JsonFile, StoreUrl, say, shown, table, write_json

if TYPE_CHECKING:
    from qdash.records.facts import MetricFacts
    from qdash.results.models import MeasuredModel
    from qdash.results.qat import QatResult
    from qdash.store.store import Store

_KEEP = "layers that stay in FP32, comma-separated, '' for none; default: the recommended set if one was measured"


def qat(
    run: Annotated[str, typer.Argument(help="a sweep's id, a unique beginning of it, or latest")],
    keep: Annotated[str | None, typer.Option(help=_KEEP)] = None,
    setting: Annotated[str | None, typer.Option(help="key of a setting, where the sweep has several")] = None,
    steps: Annotated[int, typer.Option(help="training batches")] = 200,
    epochs: Annotated[int | None, typer.Option(help="instead of --steps: passes over the training samples")] = None,
    learning_rate: Annotated[float, typer.Option(help="of Adam, in quantization steps; falls to 0")] = 0.01,
    loss: Annotated[str, typer.Option(help="auto, distillation, distillation_kl or labels; see: list modes")] = "auto",
    learned_scale: Annotated[bool, typer.Option("--learned-scale", help="train the scales too (LSQ)")] = False,
    training_batch_size: Annotated[int, typer.Option(help="training samples in a batch")] = 32,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="write the weights to this .safetensors")] = None,
    store: StoreUrl = None,
    json: JsonFile = None,
) -> None:
    """Fine-tune a mixed model under quantization, and measure it beside the one that was only quantized."""
    from qdash.answers.recommendation import create_qat_run
    from qdash.answers.stored import load_sweep
    from qdash.cli.progress import compute_new
    from qdash.store.store import Store

    if out is not None:
        _check_folder(out)
    options = {"steps": steps, "learning_rate": learning_rate, "loss": loss, "batch_size": training_batch_size}
    if learned_scale:
        options["learned_scale"] = True
    training = ":".join(["qat", *(f"{name}={value}" for name, value in options.items())])
    layers = None if keep is None else [part.strip() for part in keep.split(",") if part.strip()]
    with Store.open(store) as opened:
        sweep = load_sweep(opened, run)
        run_id = create_qat_run(opened, sweep.run.id, layers, sweep.setting(setting), training, epochs)
        compute_new(opened, run_id, sweep.spec.executor, "fine-tuning", f"run {run_id}")
        finish(opened, run_id, out, json)


def finish(store: "Store", run_id: str, out: str | None, json: str | None) -> None:
    """Writes and prints what a finished fine-tune found."""
    from qdash.answers.stored import load_qat

    found = load_qat(store, run_id)
    result = found.result()
    if out is not None and result.weights_file is not None:
        result = replace(result, weights_file=_copied(result.weights_file, out))
    if json is not None:
        write_json(result, json)
    if json != "-":
        _report(result, found.facts.metric)


def _check_folder(out: str) -> None:
    from qdash.errors import InputError

    folder = Path(out).absolute().parent
    if not folder.is_dir():
        raise InputError(f"can't write {out!r}: there is no folder {folder}; give another file to --out")


def _copied(weights_file: str, out: str) -> str:
    from qdash import home
    from qdash.errors import InputError

    try:
        shutil.copyfile(home.artifacts() / weights_file, out)
    except OSError as error:
        raise InputError(f"can't write {out!r}: {error.strerror}; give another file to --out") from error
    return out


def _report(result: "QatResult", metric: "MetricFacts") -> None:
    training, kept = result.training, result.keep_fp32
    say(f"keep in FP32 ({len(kept)}): {', '.join(kept) or 'nothing'}")
    if training is None:
        say("the training has not begun yet")
        return
    losses = [step.loss for step in result.curve]
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    say(
        f"{len(losses)} of {training.steps} steps ({training.epochs:.1f} epochs) on {training.samples} "
        f"training samples, {training.loss}: loss {first:.3g} in the first tenth, {last:.3g} in the last"
    )
    for line in result.notes:
        say(f"note: {line}")
    rows: list[tuple[str, ...]] = [("FP32", shown(result.fp32.value, 2, metric.unit), "–", "–", "–")]
    rows += [_row("quantized", result.ptq, metric.unit), _row("fine-tuned", result.qat, metric.unit)]
    columns = ("model", metric.name, f"delta {metric.difference_unit}", "95 % interval", "SQNR dB")
    table(f"on {result.qat.samples} evaluation samples", columns, rows)
    share = "" if result.recovered_share is None else f", {100 * result.recovered_share:.0f} % of what was lost"
    say(
        f"fine-tuning won back {shown(result.recovered_points)} {metric.difference_unit} "
        f"[{shown(result.recovered_low)}, {shown(result.recovered_high)}]{share}"
    )
    say(f"weights: {result.weights_file}")


def _row(name: str, model: "MeasuredModel", unit: str) -> tuple[str, ...]:
    interval = f"{shown(model.low)} … {shown(model.high)}"
    return name, shown(model.value, 2, unit), shown(model.delta), interval, shown(model.sqnr_db, 1)
