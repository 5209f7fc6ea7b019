"""Full disks, locks, lost and damaged stores: one line with the way out, and patience with what passes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from qdash.errors import InputError, QdashError, StoreTrouble
from qdash.faults import as_qdash_error
from qdash.records.scores import Facts, Progress, Score
from qdash.store import trouble
from qdash.store.runs import NewRun
from qdash.store.schema import RUN, SCORE
from qdash.store.store import Store

FOUND = [Facts({"layers": 1}), Score("layer", "a", "s", 0, {"n": 1.0}, {"correct": [1.0]}), Progress("1", 1, 2)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def opened(file: Path):
    with Store.open(f"sqlite:///{file}") as store:
        yield store


def _run(store: Store) -> str:
    return store.runs.create(NewRun("sweep", "{}", model="m", data="d"))


def _raising(message: str) -> Callable[..., None]:
    def execute(*_: object) -> None:
        raise sqlite3.OperationalError(message)

    return execute


@pytest.mark.parametrize(
    ("message", "way_out", "passing"),
    [
        ("database or disk is full", "free some space", True),
        ("database is locked", "another program holds it", True),
        ("disk I/O error", "check the disk", True),
        ("attempt to write a readonly database", "writable", False),
        ("database disk image is malformed", "damaged", False),
    ],
)
def test_what_a_database_says_is_one_line_with_the_way_out(opened, monkeypatch, message, way_out, passing) -> None:
    run_id = _run(opened)
    monkeypatch.setattr(opened._engine.dialect, "do_execute", _raising(message))
    with pytest.raises(StoreTrouble, match=message) as told:
        opened.runs.get(run_id)
    assert way_out in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value.passing == passing


def test_a_save_is_tried_again_until_there_is_space(opened, monkeypatch) -> None:
    run_id, waited = _run(opened), []
    execute = opened._engine.dialect.do_execute

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            monkeypatch.setattr(opened._engine.dialect, "do_execute", execute)

    monkeypatch.setattr(trouble.time, "sleep", sleep)
    monkeypatch.setattr(opened._engine.dialect, "do_execute", _raising("database or disk is full"))
    opened.save(run_id, FOUND)
    assert waited == [0.25, 0.5, 1.0]
    assert opened.runs.get(run_id).position == "1"


def test_patience_ends(opened, monkeypatch) -> None:
    run_id = _run(opened)
    monkeypatch.setattr(trouble, "PATIENCE_S", 0.0)
    monkeypatch.setattr(opened._engine.dialect, "do_execute", _raising("database is locked"))
    with pytest.raises(StoreTrouble, match="resume"):
        opened.save(run_id, FOUND)


def test_a_deleted_store_is_told_and_not_written_into_the_void(opened, file) -> None:
    run_id = _run(opened)
    file.unlink()
    with pytest.raises(StoreTrouble, match="was deleted while it was in use") as told:
        opened.save(run_id, FOUND)
    assert not told.value.passing
    assert not file.exists()


def test_a_store_that_took_its_place_is_used(opened, file) -> None:
    run_id = _run(opened)
    for part in file.parent.glob("store.sqlite*"):
        part.rename(part.with_name(f"old-{part.name}"))
    with Store.open(f"sqlite:///{file}"):
        pass
    with pytest.raises(InputError, match="it was deleted"):
        opened.save(run_id, FOUND)


@pytest.mark.parametrize(
    ("column", "value"),
    [("facts", "{cut"), ("facts", "[]"), ("cost", ""), ("spec", "nonsense"), ("facts", '{"layers": 7}')],
)
def test_a_damaged_row_is_that_run_s_trouble_alone(opened, column, value) -> None:
    from qdash.answers.stored import load_sweep

    damaged, whole = _run(opened), _run(opened)
    opened.save(damaged, FOUND)
    with opened._engine.begin() as connection:
        connection.execute(sa.update(RUN).where(RUN.c.id == damaged).values({column: value}))
    assert [run.id for run in opened.runs.list()] == [whole, damaged]
    with pytest.raises(InputError, match="damaged"):
        load_sweep(opened, damaged)
    opened.save(damaged, FOUND)  # a run that goes on writes what was damaged anew
    assert opened.runs.get(whole).error is None


@pytest.mark.parametrize(("column", "value"), [("sums", "{cut"), ("samples", b"z\xff"), ("samples", b"q")])
def test_damaged_scores_are_told(opened, column, value) -> None:
    run_id = _run(opened)
    opened.save(run_id, FOUND)
    with opened._engine.begin() as connection:
        connection.execute(sa.update(SCORE).values({column: value}))
    with pytest.raises(InputError, match=f"scores of run {run_id} in the store are damaged"):
        opened.scores.read(run_id)


def test_a_full_disk_is_no_unexpected_error() -> None:
    for error in (OSError(28, "No space left on device"), RuntimeError("I/O error: No space left on device (os 28)")):
        assert "free some space" in str(as_qdash_error(error))


def test_a_trace_that_can_t_be_kept_hides_nothing(monkeypatch, tmp_path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "file"))
    told = as_qdash_error(ValueError("the cause"))
    assert isinstance(told, QdashError)
    assert "unexpected ValueError: the cause; its trace could not be kept" in str(told)
