"""Live: progress, trouble, cancel and resume on every kind of run."""

import pytest
from ui_helpers import press, text_of

from qdash.home import host
from qdash.jobs import client
from qdash.spec.checked import checked
from qdash.spec.sweep import Source
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.start import start_probe


def test_an_empty_store_says_what_to_do(open_page):
    page = open_page("live")
    assert not page.exception
    assert "There is no run to watch." in text_of(page)


def test_a_running_sweep_shows_progress_and_the_ranking_so_far(open_page, running):
    page = open_page("live")
    assert not page.exception
    (bar,) = page.get("progress")
    assert "50 %" in bar.proto.text
    assert "batch 1 of 2" in bar.proto.text
    assert "so far" in page.subheader[0].value
    assert page.get("plotly_chart")


@pytest.mark.parametrize("where", ["live", "runs", "overview"])
@pytest.mark.parametrize("kind", ["sweep", "measure"])
def test_a_run_whose_process_is_gone_is_shown_as_stopped(open_page, done, where, kind):
    with Store.open() as store:
        run_id = store.runs.create(NewRun(kind, store.runs.get(done).spec, model="m", data="d", parent=None))
        store.runs.set_status(run_id, "running", host=host())
        page = open_page(where, run=run_id if kind == "sweep" else done)
        assert not page.exception
        assert store.runs.get(run_id).status == "interrupted"
    if where == "live" and kind == "sweep":
        assert "ended without a word" in text_of(page)
        assert any(button.label == "Resume" for button in page.button)


def test_cancel_asks_for_it_once(open_page, running):
    page = press(open_page("live"), "Cancel")
    assert not page.exception
    with Store.open() as store:
        assert store.runs.get(running).cancel_requested
    assert next(b for b in page.run().button if b.label == "Cancelling").disabled


def test_a_failed_run_shows_the_message_and_resumes(open_page, failed, queued):
    page = open_page("live")
    assert not page.exception
    assert "no callable 'build'" in page.error[0].value
    assert "new run with other settings" in text_of(page)
    press(page, "Resume")
    assert queued == [failed]
    with Store.open() as store:
        assert store.runs.get(failed).status == "queued"


def test_a_cancelled_run_keeps_what_it_found(open_page, running):
    with Store.open() as store:
        store.runs.set_status(running, "cancelled")
    page = open_page("live")
    assert not page.exception
    assert "50 % of the work is kept" in page.warning[0].value
    assert "Resume" in [button.label for button in page.button]


def test_a_finished_run_links_to_the_answer(open_page, done):
    page = open_page("live")
    assert not page.exception
    labels = [button.label for button in page.button]
    assert labels == ["Look at the layers", "Decide what to keep"]
    bars = page.get("progress")
    assert len(bars) == 2  # the sweep and the measurement
    assert all("done" in bar.proto.text for bar in bars)


def test_a_measurement_and_a_first_look_can_be_watched(open_page, done):
    with Store.open() as store:
        (measure,) = store.runs.list(kind="measure")
        probe = start_probe(store, checked(Source, model="demo:digits-vit", data="demo:digits"))
    page = open_page("live", run=measure.id)
    assert not page.exception
    assert page.get("plotly_chart")
    page = open_page("live", run=probe)
    assert not page.exception
    assert "queued" in page.get("progress")[0].proto.text


def test_a_queued_run_without_a_worker_gets_one(open_page, done, monkeypatch):
    with Store.open() as store:
        run = store.runs.get(done)
        waiting = store.runs.create(NewRun("sweep", run.spec, model=run.model, data=run.data))
        store.runs.queue(waiting)
    started: list[str] = []
    monkeypatch.setattr(client, "ensure_worker", started.append)
    open_page("live")
    with Store.open() as store:
        assert started == [store.url]


@pytest.mark.parametrize("layers", [1, 300])
def test_any_number_of_layers_can_be_watched(open_page, running, layers):
    with Store.open() as store:
        facts = store.runs.get(running).facts
        one = facts["layers"][0]
        many = [one | {"layer": f"block.{n}.conv", "order": n} for n in range(layers)]
        from qdash.records.scores import Facts

        store.save(running, [Facts({"layers": many})])
    page = open_page("live")
    assert not page.exception
