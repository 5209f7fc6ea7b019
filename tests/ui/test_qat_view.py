"""Fine-tuning on the page: offered, started, watched, answered."""

import shutil

import pytest
from chart_helpers import METRIC, measured_model, tuned_result
from streamlit.testing.v1 import AppTest
from ui_helpers import press, text_of

from qdash.answers.recommendation import create_qat_run, recommendation
from qdash.answers.stored import load_sweep
from qdash.jobs.steps import run_inline
from qdash.records.scores import Facts, Progress
from qdash.results.frontier import Limits
from qdash.spec.mixed import QatSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.decide.fine_tune import answer_sentence


def page(run_id, keep):
    import streamlit as st

    from qdash.ui import state
    from qdash.ui.decide.fine_tune import show_fine_tune
    from qdash.ui.view import look_at

    st.query_params["run"] = run_id
    show_fine_tune(look_at(state.load(run_id)), keep)


def opened(run_id, keep=()):
    app = AppTest.from_function(page, args=(run_id, keep), default_timeout=30).run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(scope="module")
def tuned_home(tmp_path_factory, real_home):
    """A home folder whose sweep has a finished fine-tune of few steps."""
    folder = tmp_path_factory.mktemp("tuned") / "home"
    shutil.copytree(real_home, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDASH_HOME", str(folder))
        with Store.open() as store:
            (sweep,) = store.runs.list(kind="sweep")
            run_inline(store, create_qat_run(store, sweep.id, [], training="qat:steps=8"))
    return folder


@pytest.fixture
def tuned(home, tuned_home):
    """The id of that sweep."""
    shutil.copytree(tuned_home, home)
    with Store.open() as store:
        return store.runs.list(kind="sweep")[0].id


def test_it_is_offered_and_started_with_what_the_page_keeps(done, queued):
    with Store.open() as store:
        layer = store.runs.get(done).facts["layers"][0]["layer"]
    app = opened(done, (layer,))
    assert "1 layer above in FP32" in text_of(app)
    app.number_input[0].set_value(30)
    press(app, "Fine-tune")
    with Store.open() as store:
        spec = QatSpec.model_validate_json(store.runs.get(queued[0]).spec)
        assert store.runs.get(queued[0]).parent == done
    assert spec.keep == (layer,)
    assert spec.training == "qat:steps=30:learning_rate=0.01:loss=distillation"


def test_without_a_choice_the_recommended_set_is_kept(done):
    with Store.open() as store:
        sweep = load_sweep(store, done)
        recommended = recommendation(store, sweep, sweep.setting(), Limits()).keep_fp32
        spec = QatSpec.model_validate_json(store.runs.get(create_qat_run(store, done)).spec)
    assert spec.keep == recommended


def test_while_it_trains_the_curve_grows(tuned):
    with Store.open() as store:
        finished = store.runs.list(kind="qat")[0]
        spec = store.runs.get(finished.id).spec
        run_id = store.runs.create(NewRun("qat", spec, model=finished.model, data=finished.data, parent=tuned))
        store.runs.queue(run_id)
        store.runs.set_status(run_id, "running", host="elsewhere")
        facts = {key: value for key, value in finished.facts.items() if key != "weights_file"}
        scores = store.scores.read(finished.id)
        begun = [score for score in scores if score.kind == "training" and score.batch < 3]
        store.save(run_id, [Facts(facts), *begun, Progress("start", 30.0, 100.0, "training step 3 of 8")])
    text = text_of(opened(tuned))
    assert "In 3 of 8 steps the loss" in text
    assert "Not measured yet" in text
    assert not [button for button in opened(tuned).button if button.label == "Fine-tune"]


def test_when_it_is_done_it_says_what_was_won_back(tuned):
    app = opened(tuned)
    text = text_of(app).replace("\\", "")
    assert "Fine-tuned, every layer quantized: accuracy" in text
    assert "In 8 steps the loss" in text
    assert "No training sample is evaluated. Measured on 90 samples." in text
    assert app.get("download_button")


@pytest.mark.parametrize(
    ("ptq", "qat", "words"),
    [
        (
            93.0,
            97.5,
            "accuracy 97.5 % against 93.0 % without and 98.0 % in FP32: 90 % of what quantizing lost is won back",
        ),
        (93.0, 98.5, "all that quantizing lost is won back"),
        (93.0, 92.0, "−1.00 points"),
        (98.0, 98.0, "0.00 points"),
    ],
)
def test_the_sentence(ptq, qat, words):
    lost = 98.0 - ptq
    share = (qat - ptq) / lost if lost else None
    found = tuned_result(98.0, measured_model(ptq), measured_model(qat), qat - ptq, share=share)
    assert words in answer_sentence(found, METRIC)
