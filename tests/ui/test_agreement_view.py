"""The tab Agreement of an estimate: offered, started, watched, answered; and on no other run."""

import json
import shutil

import pytest
from ui_helpers import press, swept_home, text_of

from qdash.jobs.steps import run_inline
from qdash.records.scores import Facts
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui import state

TABS = ("Ranking", "Heatmap", "Observers", "Size", "Depth")  # those of every run, in their order


@pytest.fixture(scope="module")
def estimate_home(tmp_path_factory):
    """A home folder with a finished estimate of the demo's MobileNet."""
    values = {"method": "gradient", "weight_formats": ["int4"], "samples": 64}
    values |= {"batch_size": 64, "calibration_samples": 64}
    return swept_home(tmp_path_factory.mktemp("estimate"), "mobilenet", **values)


@pytest.fixture
def estimate(home, estimate_home):
    """The id of a finished estimate."""
    shutil.copytree(estimate_home, home)
    with Store.open() as store:
        return store.runs.list(kind="sweep")[0].id


def words(page):
    assert not page.exception, page.exception
    return text_of(page).replace("\\", "")


def bars(page):
    """The texts of all progress bars."""
    return " ".join(bar.proto.text for bar in page.get("progress"))


def test_before_anything_is_measured_the_tab_offers_it(open_page, estimate):
    page = open_page("layers", view="Agreement")
    assert "Nothing is measured yet: the ranking is an estimate" in words(page)
    assert "estimated from gradients)" in page.subheader[0].value
    assert page.number_input[0].value == 5
    assert "Measure the 5 worst exactly" in [button.label for button in page.button]


def test_one_click_measures_the_worst_exactly(open_page, estimate, queued):
    page = open_page("layers", view="Agreement")
    with Store.open() as store:
        page.number_input[0].set_value(3).run()
        page = press(page, "Measure the 3 worst exactly")
        assert len(queued) == 1
        child = store.runs.get(queued[0])
        spec = SweepSpec.model_validate_json(child.spec)
        assert (child.parent, child.follow_up, child.title) == (estimate, None, "3 layers measured")
        assert spec.method == "one_at_a_time"
        assert "Sweep: queued" in bars(page)
        assert not [button for button in page.button if button.label.startswith("Measure")]
        assert page.get("page_link")

        run_inline(store, child.id)
        layers = {layer["layer"] for layer in store.runs.get(child.id).facts["layers"]}
    page = open_page("layers", view="Agreement", run=estimate)
    said = words(page)
    assert "over 3 layers, median difference" in said
    assert "in SQNR with 3 measured layers)" in page.subheader[0].value
    worst = page.dataframe[-1].value["layer"].tolist()[:3]
    assert layers == set(worst)
    assert "Measure the 5 next worst exactly" in [button.label for button in page.button]


def test_a_measured_part_does_not_become_the_run_of_every_page(open_page, estimate, queued):
    press(open_page("layers", view="Agreement"), "Measure the 5 worst exactly")
    page = open_page("layers")
    assert page.selectbox(key="frame_run").value == estimate
    with Store.open() as store:
        assert store.runs.list(kind="sweep")[0].id == queued[0]


def test_a_measurement_under_way_shows_its_progress(open_page, estimate, queued):
    press(open_page("layers", view="Agreement"), "Measure the 5 worst exactly")
    with Store.open() as store:
        store.runs.set_status(queued[0], "running", host="elsewhere")
        store.save(queued[0], [Facts(store.runs.get(estimate).facts)])
    page = open_page("layers", view="Agreement", run=estimate)
    assert "Nothing is measured yet" in words(page)
    assert "Sweep: loading" in bars(page)


def test_a_measurement_that_failed_says_why_and_is_offered_again(open_page, estimate, queued):
    press(open_page("layers", view="Agreement"), "Measure the 5 worst exactly")
    with Store.open() as store:
        store.runs.set_status(queued[0], "failed", error="the memory is full; take fewer samples")
    page = open_page("layers", view="Agreement", run=estimate)
    assert "the memory is full" in words(page)
    assert "Measure the 5 worst exactly" in [button.label for button in page.button]


def test_a_measured_run_has_no_such_tab(open_page, mobilenet):
    page = open_page("layers", view="Agreement")
    assert not page.exception
    assert "Agreement" not in [tab.label for tab in page.tabs]
    assert [tab.label for tab in page.tabs if tab.label in TABS] == list(TABS)
    assert page.get("plotly_chart")


def test_other_tabs_of_an_estimate(open_page, estimate):
    for view in TABS:
        page = open_page("layers", view=view)
        assert not page.exception
        assert "Agreement" in [tab.label for tab in page.tabs]


def test_what_is_estimated_is_called_so(open_page, estimate):
    page = open_page("layers")
    assert "Model output (estimated): KL" in words(page)
    assert "Estimated KL, nats" in page.dataframe[-1].proto.columns
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)
    assert figure["layout"]["xaxis"]["title"]["text"] == "Model-output KL, nats (estimated)"
    assert "nats estimated from 64 samples" in words(open_page("decide"))


def test_rows_of_a_run_without_results_are_empty(estimate, home):
    with Store.open() as store:
        run = store.runs.get(estimate)
        spec = SweepSpec.model_validate_json(run.spec)
        new = store.runs.create(NewRun("sweep", run.spec, model=run.model, data=run.data))
        assert state.rows_of(store.runs.get(new), spec.settings()[0]) == []
