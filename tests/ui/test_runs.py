"""Runs: the history, its filter, and what can be done with a run."""

import pytest
from ui_helpers import press, text_of

from qdash.answers.deleting import delete_run
from qdash.errors import InputError
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.runs.table import matching, picked, runs_frame


def test_an_empty_store_says_what_to_do(open_page):
    page = open_page("runs")
    assert not page.exception
    assert "There is no run yet." in text_of(page)


def test_every_sweep_is_a_row_with_its_numbers(open_page, done, failed):
    page = open_page("runs")
    assert not page.exception
    table = page.dataframe[0].value
    assert table["run"].tolist() == [failed, done]
    assert table["status"].tolist() == ["Failed", "Done"]
    assert table["samples"].tolist()[1] == 90
    assert "2 runs: 1 done, 1 failed" in text_of(page)


def test_a_running_sweep_is_a_row_with_its_progress(open_page, running):
    page = open_page("runs")
    assert not page.exception
    assert page.dataframe[0].value["progress"].tolist() == [50.0, 100.0]


def test_measurements_are_shown_on_request(open_page, done):
    page = open_page("runs")
    page.toggle[0].set_value(True).run()
    assert sorted(page.dataframe[0].value["kind"]) == ["Measurement", "Sweep"]


def test_the_filter_is_in_the_url_and_an_empty_result_says_so(open_page, done):
    page = open_page("runs", runs_filter="resnet")
    assert not page.exception
    assert "No run matches 'resnet'" in page.info[0].value


def test_the_filter_wants_every_word_in_any_column(done, failed):
    with Store.open() as store:
        frame = runs_frame(store.runs.list(kind="sweep"))
    assert matching(frame, "LSTM done")["run"].tolist() == [done]
    assert matching(frame, "int3")["run"].tolist() == [failed, done]
    assert matching(frame, "int3 resnet").empty
    assert matching(frame, "  ").equals(frame)
    assert matching(frame, "(").empty  # words, not patterns


def test_the_selected_row_is_picked_before_the_current_run(done, failed):
    with Store.open() as store:
        frame = runs_frame(store.runs.list(kind="sweep"))
    assert picked(frame, [1], failed) == done
    assert picked(frame, [], failed) == failed
    assert picked(frame, [9], "gone") is None


def test_a_run_is_deleted_after_a_question_with_its_measurements(open_page, done):
    page = press(open_page("runs"), "Delete")
    assert "gone for good" in text_of(page)
    with Store.open() as store:
        assert store.runs.list(kind="measure")
        delete_run(store, done)
        assert store.runs.list() == []


def test_a_running_run_is_not_deleted(open_page, running):
    page = open_page("runs")
    assert next(button for button in page.button if button.label == "Delete").disabled
    with Store.open() as store, pytest.raises(InputError, match="cancel it first"):
        delete_run(store, running)


def test_a_failed_run_can_be_resumed_from_the_history(open_page, failed, queued):
    press(open_page("runs"), "Resume")
    assert queued == [failed]


def test_a_run_of_another_version_does_not_break_the_history(open_page, done):
    with Store.open() as store:
        store.runs.create(NewRun("sweep", '{"model": "lost:family"}', model="lost:family", data="demo:digits"))
        store.runs.create(NewRun("something_new", "{}", model="m", data="d"))
    page = open_page("runs")
    assert not page.exception
    assert "settings of another version" in page.dataframe[0].value["settings"].tolist()
