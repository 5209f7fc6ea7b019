"""Overview: the answer in one sentence, on every kind of store."""

import threading

from ui_helpers import press, text_of

from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.overview.demo_run import SPEC, ensure_demo


def test_an_empty_store_computes_the_demo_once(open_page, queued):
    first = open_page()
    second = open_page()
    assert not first.exception
    assert not second.exception
    with Store.open() as store:
        (run,) = store.runs.list()
    assert run.spec == SPEC.model_dump_json()
    assert run.follow_up == '{"kind": "measure"}'
    assert queued == [run.id]
    assert first.query_params["run"] == run.id
    assert "loaded and calibrated" in text_of(first)


def test_many_sessions_make_one_demo_run(home, queued):
    with Store.open() as store:
        threads = [threading.Thread(target=ensure_demo, args=(store,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.runs.list()) == 1


def test_a_demo_run_that_was_never_queued_is_queued(home, queued):
    with Store.open() as store:
        run_id = ensure_demo(store)
        queued.clear()
        assert ensure_demo(store) == run_id
        assert queued == []
        other = store.runs.create(
            NewRun("sweep", SPEC.model_dump_json(), model=SPEC.model, data=SPEC.data, title="mine")
        )
        store.runs.delete(run_id)
        assert ensure_demo(store) is None
        assert store.runs.get(other).attempt == 0


def test_a_finished_run_is_answered_in_one_sentence_with_numbers(open_page, done):
    page = open_page()
    assert not page.exception
    assert page.title[0].value == "Which layers should stay in FP32?"
    verdict = page.subheader[0].value
    assert "in FP32, size" in verdict
    assert "measured on 90 samples" in verdict
    assert page.query_params["run"] == done


def test_the_url_decides_which_run_is_shown(open_page, done, running):
    assert open_page().query_params["run"] == running
    page = open_page(run=done)
    assert not page.exception
    assert done in text_of(page)
    assert running not in page.caption[0].value


def test_an_unknown_run_is_told_in_one_line(open_page, done):
    page = open_page(run="nonsense")
    assert not page.exception
    assert "unknown run 'nonsense'" in page.error[0].value


def test_a_running_sweep_shows_what_is_known_so_far(open_page, running):
    page = open_page()
    assert not page.exception
    assert page.subheader[0].value.count("Still measuring") == 1
    assert "45 samples" in page.subheader[0].value
    assert page.get("progress")


def test_a_failed_run_says_what_is_wrong(open_page, failed):
    page = open_page()
    assert not page.exception
    assert "no callable 'build'" in page.error[0].value


def test_a_sweep_without_a_curve_offers_to_measure_it(open_page, done, queued):
    with Store.open() as store:
        for run in store.runs.list(kind="measure"):
            store.runs.delete(run.id)
    page = open_page()
    assert "not measured yet" in page.subheader[0].value
    press(page, "Measure the curve")
    assert not page.exception
    with Store.open() as store:
        (measure,) = store.runs.list(kind="measure", parent=done)
    assert queued == [measure.id]
