"""A worker waits where the store can't be used, and gives a run up where the store is gone."""

import pytest

from qdash.errors import StoreTrouble
from qdash.jobs import session as sessions
from qdash.jobs.session import Session
from qdash.jobs.steps import drive
from qdash.store.runs import NewRun
from qdash.store.store import Store


def _run(store: Store) -> str:
    return store.runs.create(NewRun("qdash.testing.work:RehearsedWork", '{"steps": 1}', model="m", data="d"))


@pytest.mark.parametrize("passing", [True, False])
def test_a_step_waits_for_what_passes(store: Store, monkeypatch: pytest.MonkeyPatch, passing: bool) -> None:
    run_id, waited = _run(store), []
    told = [StoreTrouble("the disk is full", passing), StoreTrouble("the disk is full", passing)]
    settle = store.runs.settle_cancel

    def settled(asked: str) -> bool:
        if told:
            raise told.pop()
        return settle(asked)

    monkeypatch.setattr(store.runs, "settle_cancel", settled)
    monkeypatch.setattr(sessions.time, "sleep", waited.append)
    with Session(store, run_id) as session:
        assert session.step() is None
    assert waited == ([sessions.WAIT_S] * 2 if passing else [])
    assert store.runs.get(run_id).status == ("done" if passing else "queued")


def test_a_run_whose_step_can_t_be_saved_can_be_resumed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from qdash.executors.base import build_work

    def refuse(*_: object, **__: object) -> None:
        raise StoreTrouble("the disk is full", passing=True)

    run_id = _run(store)
    work = build_work("qdash.testing.work:RehearsedWork", '{"steps": 1}', ".")
    monkeypatch.setattr(store, "save", refuse)
    with pytest.raises(StoreTrouble):
        drive(store, run_id, work)
    monkeypatch.undo()
    run = store.runs.get(run_id)
    assert (run.status, run.error) == ("running", None)
    assert drive(store, run_id, work).status == "done"
