"""New run: the form, the first look, the cost, the start."""

import numpy as np
import pytest
from ui_helpers import press, text_of

from qdash.jobs.steps import run_inline
from qdash.records.facts import PreviewSample, read_facts
from qdash.records.scores import Facts
from qdash.spec.checked import checked
from qdash.spec.sweep import Source, SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.new_run.first_look import layers_frame, picture, sample_text
from qdash.ui.new_run.source_form import known_facts
from qdash.ui.start import start_probe


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """The facts that a real first look at the demo's default model finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDASH_HOME", str(tmp_path_factory.mktemp("probe")))
        source = checked(Source, model="demo:digits-mobilenet", data="demo:digits")
        with Store.open() as store:
            run = store.runs.create(NewRun("probe", source.model_dump_json(), model=source.model, data=source.data))
            return run_inline(store, run).facts


@pytest.fixture
def look_done(home, looked_at):
    """The store holds that first look."""
    from qdash.records.scores import Facts, Progress

    with Store.open() as store:
        run_id = start_probe(store, checked(Source, model="demo:digits-mobilenet", data="demo:digits"))
        store.save(run_id, [Facts(looked_at), Progress(None, 1.0, 1.0)])
        return run_id


def test_an_empty_store_offers_the_demo_model_and_a_first_look(open_page, queued):
    page = open_page("new_run")
    assert not page.exception
    assert page.selectbox(key="new_model").value == "demo:digits-mobilenet"
    assert "Look at the model first" in text_of(page)
    press(page, "Look at it")
    with Store.open() as store:
        (probe,) = store.runs.list(kind="probe")
    assert queued == [probe.id]
    assert Source.model_validate_json(probe.spec).data == "demo:digits"
    page.run()
    assert "queued" in page.get("progress")[0].proto.text
    assert next(button for button in page.button if button.label == "Look at it").disabled


def test_what_was_loaded_is_shown(open_page, look_done):
    page = open_page("new_run")
    assert not page.exception
    text = text_of(page)
    assert "**21 layers** can be quantized" in text
    assert "597 evaluation samples, 200 calibration samples" in text
    assert "FP32 accuracy, 256 samples" in text
    assert "forward passes" in text
    assert len(page.get("image")) == 8


def test_a_failed_look_says_what_is_wrong(open_page, home):
    with Store.open() as store:
        run_id = start_probe(store, checked(Source, model="demo:digits-mobilenet", data="demo:digits"))
        store.runs.set_status(run_id, "failed", error="data.npz has no array 'x'; save the inputs as x")
    page = open_page("new_run")
    assert not page.exception
    assert "has no array 'x'" in page.error[0].value


def test_start_queues_what_the_form_says_and_goes_live(open_page, look_done, queued):
    page = open_page("new_run")
    page.multiselect(key="new_weight_formats").set_value(["int4", "int8"])
    page.radio(key="new_mode").set_value("dynamic")
    page.number_input(key="new_samples").set_value(128)
    page.text_input(key="new_title").set_value("My matrix")
    page.run()
    assert "2 settings" in text_of(page)
    press(page, "Start")
    assert not page.exception
    with Store.open() as store:
        (run,) = store.runs.list(kind="sweep")
    spec = SweepSpec.model_validate_json(run.spec)
    assert (spec.mode, spec.weight_formats, spec.samples) == ("dynamic", ("int4", "int8"), 128)
    assert run.title == "My matrix"
    assert run.follow_up == '{"kind": "measure"}'
    assert run.id in queued
    assert page.title[0].value == "How far is this run?"
    assert page.query_params["run"] == run.id


def test_a_wrong_value_is_one_line_and_start_is_off(open_page, home):
    page = open_page("new_run")
    page.text_input(key="new_device").set_value("gpu").run()
    assert not page.exception
    assert "device = 'gpu'" in page.error[0].value
    assert "\n" not in page.error[0].value
    assert next(button for button in page.button if button.label == "Start").disabled


def test_no_observer_is_told(open_page, home):
    page = open_page("new_run")
    page.multiselect(key="new_observers").set_value([]).run()
    assert not page.exception
    assert page.error


def test_member_options_reach_the_spec(open_page, look_done):
    page = open_page("new_run")
    page.multiselect(key="new_observers").set_value(["percentile"]).run()
    page.number_input(key="new_observers_percentile_percentile").set_value(99.0).run()
    press(page, "Start")
    with Store.open() as store:
        (run,) = store.runs.list(kind="sweep")
    assert SweepSpec.model_validate_json(run.spec).observers == ("percentile:percentile=99.0",)


def test_the_settings_of_a_run_can_be_used_again_and_a_repeat_is_told(open_page, done):
    page = open_page("new_run", **{"from": done})
    assert not page.exception
    assert page.selectbox(key="new_model").value == "demo:digits-lstm"
    assert page.multiselect(key="new_weight_formats").value == ["int3"]
    assert page.number_input(key="new_samples").value == 90
    assert "very same settings" in page.warning[0].value


def test_settings_of_an_unknown_run_are_told(open_page, done):
    page = open_page("new_run", **{"from": "nonsense"})
    assert not page.exception
    assert "can't be used here" in page.warning[0].value


def test_weight_only_mode_asks_nothing_about_inputs(open_page, home):
    page = open_page("new_run")
    page.radio(key="new_mode").set_value("weight_only").run()
    assert not page.exception
    assert "new_activation_formats" not in [widget.key for widget in page.multiselect]


def test_pictures_are_enlarged_by_whole_pixels():
    assert np.array_equal(picture([[0, 255]], side=4), [[0, 0, 255, 255]] * 2)
    assert picture([[[1, 2, 3]]], side=3).shape == (3, 3, 3)


def test_a_wrong_prediction_has_a_mark():
    assert sample_text(PreviewSample(3, 3, "")) == "3, says 3"
    assert sample_text(PreviewSample(3, 5, "")) == "3, says 5 ✗"
    assert sample_text(PreviewSample(None, None, "")) == "no label"


def test_layers_frame_has_a_row_per_layer(looked_at):
    frame = layers_frame(read_facts(looked_at))
    assert len(frame) == 21
    assert frame["MACs per sample"].sum() == pytest.approx(looked_at["macs_per_sample"], rel=0.01)


def test_a_wrong_option_of_a_mode_is_told_in_one_line(open_page, look_done):
    page = open_page("new_run")
    page.radio(key="new_mode").set_value("qat").run()
    page.number_input(key="new_mode_qat_steps").set_value(0).run()
    assert not page.exception
    assert "steps = '0'" in page.error[0].value
    assert next(button for button in page.button if button.label == "Start").disabled
    page.number_input(key="new_mode_qat_steps").set_value(5).run()
    assert not page.error


def test_the_choices_of_an_option_are_explained(open_page, look_done):
    page = open_page("new_run")
    page.radio(key="new_mode").set_value("qat").run()
    loss = page.selectbox(key="new_mode_qat_loss")
    assert loss.options == ["auto", "distillation", "distillation kl", "labels"]
    assert "squared error" in loss.help


def test_a_sweep_of_some_layers_does_not_tell_what_the_model_is(done):
    with Store.open() as store:
        run = store.runs.get(done)
        spec = SweepSpec.model_validate_json(run.spec)
        part = spec.model_copy(update={"layers": "fc"})
        new = store.runs.create(NewRun("sweep", part.model_dump_json(), model=run.model, data=run.data))
        store.save(new, [Facts(run.facts)])
        assert known_facts(store, spec).id == done
