"""Laws of executors: the same records from everywhere, errors as themselves, nothing left behind."""

import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from qdash.errors import DataError, UnknownNameError
from qdash.executors.base import Executor, Work, build_work
from qdash.records.scores import Facts, Progress, Record, Score
from qdash.testing.laws import Laws
from qdash.testing.work import KIND


class ExecutorLaws(Laws):
    """Over a work of three steps without a model."""

    family: ClassVar[str] = "executors"

    def test_it_gives_the_records_of_a_direct_call(self, member: Executor) -> None:
        expected = all_records(build_work(KIND, '{"steps": 3}', ""))
        with opened(member) as work:
            assert [plain(record) for record in all_records(work)] == [plain(record) for record in expected]

    def test_a_work_goes_on_from_a_position_in_a_new_process(self, member: Executor) -> None:
        with opened(member) as work:
            records = list(work.advance("2", never))
        assert [record.batch for record in records if isinstance(record, Score)] == [2, 2, 2, 2]
        assert position_after(records) is None

    def test_stopping_ends_a_step_early_with_a_progress(self, member: Executor) -> None:
        began = time.monotonic()
        with opened(member, seconds=2) as work:
            records = list(work.advance(None, lambda: time.monotonic() - began > 0.3))
        assert position_after(records) == "0"

    def test_after_a_step_that_nobody_read_to_its_end_the_next_one_is_whole(self, member: Executor) -> None:
        with opened(member) as work:
            next(iter(work.advance("0", never)))
            batches = [record.batch for record in work.advance("1", never) if isinstance(record, Score)]
        assert batches == [1, 1, 1, 1]

    def test_errors_of_the_tree_arrive_as_themselves(self, member: Executor) -> None:
        told = r"^unknown observer 'mean'; choose from min_max, mse$"
        with (
            pytest.raises(UnknownNameError, match=told) as caught,
            opened(member, fail={"at": 0, "how": "unknown name"}) as work,
        ):
            list(work.advance(None, never))
        assert caught.value.exit_code == 2

    def test_a_spec_that_is_refused_is_refused_on_opening(self, member: Executor) -> None:
        with pytest.raises(DataError, match="no labels"), opened(member, refuse=True):
            pass

    def test_an_unknown_kind_is_told_with_the_choices(self, member: Executor) -> None:
        told = "unknown job kind 'dance'; choose from sweep, probe, measure"
        with pytest.raises(UnknownNameError, match=told), member.open("dance", "{}", ""):
            pass

    def test_leaving_ends_the_process_that_was_started(self, member: Executor) -> None:
        with opened(member, steps=2, seconds=60) as work:
            facts = next(iter(work.advance(None, never)))
            assert isinstance(facts, Facts)
            pid = facts.values["pid"]
        assert not member.isolated or not Path(f"/proc/{pid}").exists()


def never() -> bool:
    """Goes on."""
    return False


def opened(member: Executor, **spec: object) -> AbstractContextManager[Work]:
    """The work somewhere, of three steps unless told."""
    return member.open(KIND, json.dumps({"steps": 3, **spec}), "")


def all_records(work: Work) -> list[Record]:
    """Of all its steps."""
    records = list(work.advance(None, never))
    while (position := position_after(records)) is not None:
        records += work.advance(position, never)
    return records


def position_after(records: list[Record]) -> str | None:
    """Of the Progress that ends a step."""
    last = records[-1]
    assert isinstance(last, Progress)
    return last.position


def plain(record: Record) -> object:
    """What two records are compared by; a process's own number is its own."""
    if not isinstance(record, Score):
        return record if isinstance(record, Progress) else sorted(record.values)
    arrays = {name: (array.dtype.str, array.tolist()) for name, array in record.samples.items()}
    return record.kind, record.subject, record.setting, record.batch, dict(record.sums), arrays
