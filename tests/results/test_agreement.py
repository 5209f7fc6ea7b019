"""Estimates against measurements: which sweeps measure what another estimates, and how well both agree."""

import math

import numpy as np
import pytest
from chart_helpers import row
from scipy.stats import spearmanr

from qdash.answers.agreement import create_measuring_run, measuring_runs, measuring_spec, worst_unmeasured
from qdash.answers.stored import Sweep, load_sweep
from qdash.errors import InputError
from qdash.records.facts import RunFacts
from qdash.records.scores import Facts
from qdash.results.agreement import agreement, most_sampled, spearman
from qdash.results.tally import Tallies
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store

ESTIMATE = SweepSpec(
    model="demo:digits-lstm",
    data="demo:digits",
    method="gradient:passes=2",
    weight_formats=("int3", "int4"),
    samples=90,
)
SETTING = ESTIMATE.settings()[1]


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'qdash.sqlite'}") as opened:
        yield opened


def stored(store, spec, **values):
    return store.runs.create(NewRun("sweep", spec.model_dump_json(), model=spec.model, data=spec.data, **values))


def changed(**values):
    return ESTIMATE.model_copy(update={"method": "one_at_a_time"} | values)


def test_spearman_is_scipys():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    assert spearman(x, x + 0.2 * y) == pytest.approx(spearmanr(x, x + 0.2 * y).statistic)
    assert spearman([1, 2], [1, 2]) is None
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None


@pytest.mark.parametrize(
    ("estimated", "measured", "words"),
    [
        ([10, 20, 30.3], [10.1, 20.1, 30], "Estimate and measurement agree: Spearman 1.000 over 3 layers, median "),
        ([10, 10.2, 10.1], [10.1, 10.0, 10.2], "are close, but order the layers differently: Spearman −0.500"),
        ([1, 2, 3, 4, 5], [1, 3, 2, 4, 5], "agree: Spearman 0.900 over 5 layers"),
        ([10, 30, 20], [30, 10, 20], "Estimate and measurement differ: Spearman −1.000 over 3 layers"),
        ([10, 30], [10, 31], "Estimated and measured: 2 layers, median difference 0.5 dB, a rank correlation needs 3"),
        ([], [], "Nothing is measured yet"),
    ],
)
def test_the_sentence_says_what_the_numbers_carry(estimated, measured, words):
    assert words in agreement(estimated, measured).sentence


def test_the_short_form():
    assert agreement([1, 2, 3], [1, 2, 3]).short == "Spearman 1.000 in SQNR with 3 measured layers"
    assert agreement([1], [1]).short == "1 layer measured so far"
    assert agreement([], []).short == ""


def test_of_several_measurements_the_one_with_most_samples_counts():
    rows = [
        row("a", samples=10, model_output_sqnr_db=1.0),
        row("a", samples=90, model_output_sqnr_db=2.0),
        row("a", samples=50, model_output_sqnr_db=3.0),
        row("b", samples=0, status="pending"),
        row("c", samples=5, status="non_finite"),
    ]
    found = most_sampled(rows)
    assert found["a"].model_output_sqnr_db == 2.0
    assert set(found) == {"a", "c"}


def test_measuring_runs_share_everything_that_decides_a_layers_number(store):
    whole = stored(store, changed())
    part = stored(store, changed(layers="fc", samples=30, weight_formats=("int4",), batch_size=10))
    for other in (
        {"method": "leave_one_out"},
        {"method": "gradient"},
        {"seed": 1},
        {"metric": "top5"},
        {"calibration_samples": 7},
        {"weight_formats": ("int3",)},
        {"mode": "dynamic"},
        {"weights": "/elsewhere.safetensors"},
        {"data": "/elsewhere.npz"},
        {"model": "demo:digits-vit"},
    ):
        stored(store, changed(**other))
    found = [run.id for run in measuring_runs(store, ESTIMATE, SETTING)]
    assert found == [part, whole]


def test_a_sweep_of_another_version_is_passed_over(store):
    store.runs.create(NewRun("sweep", '{"gone": 1}', model=ESTIMATE.model, data=ESTIMATE.data))
    assert measuring_runs(store, ESTIMATE, SETTING) == []


def test_the_worst_that_nobody_measures_come_next():
    rows = [row(name) for name in ("a", "b", "odd,name", "c", "d")]
    assert worst_unmeasured(rows, {"a", "b"}) == ["c", "d"]


def test_weights_trained_anew_under_the_same_name_are_others(store):
    known, old = (stored(store, changed(method="one_at_a_time")) for _ in range(2))
    store.save(known, [Facts({"weights_digest": "new"})])
    store.save(old, [Facts({"weights_digest": "old"})])
    assert [run.id for run in measuring_runs(store, ESTIMATE, SETTING, "new")] == [known]
    assert len(measuring_runs(store, ESTIMATE, SETTING)) == 2


@pytest.mark.parametrize("name", ["block[0].fc*", "a?", "[!x]", "plain.0"])
def test_a_pattern_made_of_names_means_just_these(name):
    spec = measuring_spec(ESTIMATE, SETTING, [name, "fc"])
    assert spec.selects(name)
    assert spec.selects("fc")
    assert not any(spec.selects(other) for other in ("block0.fcx", "ab", "b", "plain.00"))


def test_a_measurement_is_the_same_sweep_of_some_layers_under_one_setting(store):
    run_id = stored(store, ESTIMATE)
    store.save(run_id, [Facts({"layers": []})])
    run = store.runs.get(run_id)
    sweep = Sweep(run, ESTIMATE, RunFacts(), Tallies())
    child = store.runs.get(create_measuring_run(store, sweep, SETTING, ["fc", "lstm"]))
    spec = SweepSpec.model_validate_json(child.spec)
    assert (child.kind, child.parent, child.follow_up, child.title) == ("sweep", run_id, None, "2 layers measured")
    assert spec.method == "one_at_a_time"
    assert spec.settings() == [SETTING]
    assert spec.samples == 90
    assert [run.id for run in measuring_runs(store, ESTIMATE, SETTING)] == [child.id]
    with pytest.raises(InputError, match="no layer"):
        measuring_spec(ESTIMATE, SETTING, [])


def test_an_infinite_difference_has_no_place():
    from qdash.charts.agreement import agreement_frame

    rows = [row("a", model_output_sqnr_db=math.inf), row("b", model_output_sqnr_db=9.0), row("c")]
    measured = {r.layer: row(r.layer, model_output_sqnr_db=8.0) for r in rows}
    assert agreement_frame(rows, measured)["layer"].tolist() == ["b"]


def test_a_measurement_of_some_layers_is_not_the_latest_sweep(store):
    parent = stored(store, ESTIMATE)
    store.save(parent, [Facts({"layers": []})])
    child = store.runs.create(NewRun("sweep", ESTIMATE.model_dump_json(), model="m", data="d", parent=parent))
    assert load_sweep(store, "latest").run.id == parent
    assert store.runs.get("latest").id == child
