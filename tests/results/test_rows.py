"""Rows as JSON: the fields that version 0.1.0 wrote, in its order."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from chart_helpers import SETTING, kl_rows, row

from qdash.records.sums import ScoreSums
from qdash.results.plain import as_dict, as_tree
from qdash.results.sweep import SweepResult

SHOWN = Path(__file__).parents[1] / "store" / "made_by_0.1.0" / "shown"


@pytest.fixture(scope="module")
def shown():
    """A sweep as 0.1.0 wrote it."""
    return next(found for path in sorted(SHOWN.glob("2*.json")) if "layers" in (found := json.loads(path.read_text())))


def test_a_row_and_a_sweep_have_the_fields_of_0_1_0_in_their_order(shown):
    assert list(as_dict(row("a"))) == list(shown["layers"][0])
    assert list(SweepResult.__dataclass_fields__)[: len(shown)] == list(shown)


def test_a_setting_is_written_with_its_key(shown):
    written = as_tree(row("a"))["settings"]
    assert list(written) == list(shown["layers"][0]["settings"])
    assert written["key"] == SETTING.key


def test_a_quantity_by_name():
    (found,) = kl_rows([0.5])
    assert found.number("model_output_kl") == 0.5
    assert found.number("ptq_model_output_kl") is None
    assert found.number("no_such_quantity") is None


def test_a_row_knows_whether_it_says_what_remains():
    assert not row("a").remaining
    assert replace(row("a"), method="leave_one_out").remaining


def test_sums_of_others_are_passed_over():
    assert ScoreSums.of({"noise": 2.0, "of_a_plugin": 1.0}) == ScoreSums(noise=2.0)
