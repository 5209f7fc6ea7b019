"""`list`, `runs`, `show` and `cancel`."""

from typing import TYPE_CHECKING, Annotated

import typer

from qdash.cli.output import JsonFile, StoreUrl, say, shown, table, write_json

if TYPE_CHECKING:
    from qdash.store.runs import Run

RunId = Annotated[str, typer.Argument(help="a run's id, a unique beginning of it, or latest")]


def list_family(
    family: Annotated[str, typer.Argument(help="observers, formats, modes, methods, metrics, models, datasets, …")],
    json: JsonFile = None,
) -> None:
    """The members of a family with their help and options."""
    from qdash.registry import family as find

    described = find(family).describe()
    if json is not None:
        write_json(described | {"family": family}, json)
    if json == "-":
        return
    for member in described["members"]:
        say(f"{member['name']}\n    {member['help']}")
        for option in member["options"]:
            default = "" if option["default"] is None else f", default {option['default']}"
            say(f"    {option['name']} ({option['type']}{default}): {option['help'] or 'no help'}")
        say(f"    for example: {', '.join(member['examples'])}")


def runs(
    limit: Annotated[int, typer.Option(min=1, help="how many, newest first")] = 20,
    store: StoreUrl = None,
    json: JsonFile = None,
) -> None:
    """The history, newest first."""
    from qdash.jobs.steps import settle_abandoned
    from qdash.store.store import Store

    with Store.open(store) as opened:
        settle_abandoned(opened)
        found = opened.runs.list(limit=limit)
    if json is not None:
        write_json({"runs": [_described(run) for run in found]}, json)
    if json == "-":
        return
    if not found:
        say("no runs yet; start one with: python -m qdash sweep --model demo:digits-mobilenet --data demo:digits")
        return
    rows = ((r.id, r.kind, r.status, r.model, r.data, shown(r.cost.get("wall_s"), 1, "s")) for r in found)
    table("runs", ("run", "kind", "status", "model", "data", "time"), rows)


def show(run: RunId, store: StoreUrl = None, json: JsonFile = None) -> None:
    """One sweep or fine-tune again, as it stands: the same JSON as `sweep` or `qat`."""
    from qdash.answers.stored import load_sweep
    from qdash.cli.qat import finish
    from qdash.cli.sweep import report
    from qdash.jobs.steps import settle_abandoned
    from qdash.store.store import Store

    with Store.open(store) as opened:
        settle_abandoned(opened)
        if opened.runs.get(run).kind == "qat":
            finish(opened, run, None, json)
            return
        result = load_sweep(opened, run).result()
    if json is not None:
        write_json(result, json)
    if json != "-":
        report(result)


def cancel(run: RunId, store: StoreUrl = None, json: JsonFile = None) -> None:
    """Ask a running or queued job to stop after its current layer; what is done is kept."""
    from qdash.jobs import client
    from qdash.store.store import Store

    with Store.open(store) as opened:
        found = opened.runs.get(run)
        client.cancel(opened.url, found.id)
        status = opened.runs.get(found.id).status
    if json is not None:
        write_json({"run_id": found.id, "status": status, "cancel_requested": True}, json)
    if json != "-":
        say(f"run {found.id} is asked to stop; go on with: python -m qdash resume {found.id}")


def _described(run: "Run") -> dict[str, object]:
    names = ("id", "kind", "status", "model", "data", "title", "parent", "done", "total", "error", "cost")
    times = {name: getattr(run, name) for name in ("created", "started", "finished")}
    iso = {name: None if value is None else value.isoformat() for name, value in times.items()}
    return {("run_id" if name == "id" else name): getattr(run, name) for name in names} | iso
