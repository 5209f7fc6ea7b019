"""Driving a run in this process: every end it can take is stored, and what was found is kept."""

import json
from collections.abc import Iterator

import pytest

from qdash.errors import DataError, InputError, InterruptedRun, QdashError
from qdash.executors.base import ShouldStop
from qdash.jobs.steps import drive, driven, driving, run_inline, settle_abandoned, step
from qdash.records.scores import Progress, Record, Score
from qdash.store.runs import NewRun
from qdash.store.store import Store

KIND = "qdash.testing.work:RehearsedWork"


def _run(store: Store, **spec: object) -> str:
    return store.runs.create(NewRun(KIND, json.dumps({"steps": 3, **spec}), model="m", data="d"))


class Scripted:
    """Two scores, then a position; raises where it is told to."""

    def __init__(self, raises: BaseException | None = None):
        self._raises = raises
        self.positions: list[str | None] = []

    def advance(self, position: str | None, should_stop: ShouldStop) -> Iterator[Record]:
        self.positions.append(position)
        number = int(position or 0)
        yield Score("layer", "a", "s", number, {"n": 1.0})
        if number == 1 and self._raises is not None:
            raise self._raises
        yield Progress(str(number + 1) if number < 2 else None, number + 1, 3)


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_run_is_computed_to_its_end(store: Store, executor: str) -> None:
    seen: list[Record] = []
    run_id = _run(store)
    run = run_inline(store, run_id, executor, on_record=seen.append)
    assert (run.status, run.done, run.total, run.error) == ("done", 3, 3, None)
    assert [(s.batch, s.subject) for s in store.scores.read(run_id)] == sorted(
        ((s.batch, s.subject) for s in seen if isinstance(s, Score)), key=lambda key: (key[1], key[0])
    )
    assert len(store.scores.read(run_id)) == 12
    assert run.facts is not None
    assert run.facts["layers"] == 4
    with pytest.raises(InputError, match=r"is done; see it with: python -m qdash show"):
        run_inline(store, run_id, executor)


def test_a_step_starts_where_the_store_stands(store: Store) -> None:
    run_id, work = _run(store), Scripted()
    assert [step(store, run_id, work) for _ in range(3)] == ["1", "2", None]
    assert work.positions == [None, "1", "2"]
    assert store.runs.get(run_id).status == "done"


def test_ctrl_c_interrupts_and_keeps_the_position(store: Store) -> None:
    run_id = _run(store)
    with pytest.raises(InterruptedRun, match=f"qdash resume {run_id}") as caught:
        drive(store, run_id, Scripted(KeyboardInterrupt()))
    assert caught.value.exit_code == 130
    run = store.runs.get(run_id)
    assert (run.status, run.position) == ("interrupted", "1")
    work = Scripted()
    assert drive(store, run_id, work).status == "done"
    assert work.positions == ["1", "2"]


def test_wall_seconds_add_up_over_resumptions(store: Store) -> None:
    run_id = _run(store, seconds=0.2)
    with pytest.raises(QdashError):
        drive(store, run_id, Scripted(ValueError("x")))
    first = store.runs.get(run_id).cost["wall_s"]
    run_inline(store, run_id)
    assert store.runs.get(run_id).cost["wall_s"] > first + 0.3


def test_a_failure_is_stored_in_one_line_and_raised(store: Store) -> None:
    run_id = _run(store)
    with pytest.raises(DataError, match="no labels"):
        drive(store, run_id, Scripted(DataError("no labels;\ngive y")))
    run = store.runs.get(run_id)
    assert (run.status, run.error, run.position) == ("failed", "no labels; give y", "1")


def test_an_unexpected_failure_has_a_reference(store: Store) -> None:
    run_id = _run(store)
    with pytest.raises(QdashError, match="unexpected ValueError: oops; reference"):
        drive(store, run_id, Scripted(ValueError("oops")))
    assert "reference" in (store.runs.get(run_id).error or "")


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_work_that_can_t_be_opened_fails_its_run(store: Store, executor: str) -> None:
    run_id = _run(store, refuse=True)
    with pytest.raises(DataError):
        run_inline(store, run_id, executor)
    assert store.runs.get(run_id).error == "the samples have no labels; give y"


def test_a_cancel_request_ends_a_run_between_layers(store: Store) -> None:
    run_id = _run(store, seconds=0.4)
    seen: list[Record] = []

    def on_record(record: Record) -> None:
        seen.append(record)
        if len(seen) == 2:
            store.runs.request_cancel(run_id)

    run = run_inline(store, run_id, on_record=on_record)
    assert (run.status, run.position) == ("cancelled", "0")
    assert 1 <= len(store.scores.read(run_id)) < 4
    assert run_inline(store, run_id).status == "done"
    assert len(store.scores.read(run_id)) == 12


def test_a_caller_can_stop_a_run(store: Store) -> None:
    run = run_inline(store, _run(store), should_stop=lambda: True)
    assert (run.status, run.position) == ("interrupted", "0")


def test_a_run_is_computed_by_one_process_at_a_time(store: Store) -> None:
    run_id = _run(store)
    with driving(store, run_id), pytest.raises(InputError, match="computed by another process"):
        run_inline(store, run_id)


def test_a_run_whose_process_vanished_is_interrupted(store: Store) -> None:
    from qdash import home

    gone, alive, durable, elsewhere = (_run(store) for _ in range(4))
    for run_id in (gone, alive):
        store.runs.set_status(run_id, "running", host=home.host())
    store.runs.queue(durable)
    store.runs.set_status(durable, "running", host=home.host())
    store.runs.set_status(elsewhere, "running", host="another-machine")
    with driving(store, alive):
        assert driven(store, store.runs.get(alive))
        assert settle_abandoned(store) == [gone]
    found = store.runs.get(gone)
    assert (found.status, found.error) == ("interrupted", "its process ended without a word")
