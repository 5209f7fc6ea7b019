"""Decide: the recommendation, the curve, a person's own set, its measurement and export."""

import json

import pytest
from chart_helpers import SETTING, point
from ui_helpers import press, text_of

from qdash.answers.recommendation import create_measure_run, recommendation
from qdash.answers.stored import load_sweep, measured_points
from qdash.jobs.steps import run_inline
from qdash.results.frontier import SHOWN, Limits, Recommendation
from qdash.results.models import AllQuantized, Baseline
from qdash.results.rows import KeyedSetting
from qdash.results.sweep import SettingResult, setting_result
from qdash.spec.mixed import MeasureSpec
from qdash.store.store import Store
from qdash.ui.decide.compare import cards
from qdash.ui.decide.keep_set import changed_pins, export_json, own_set
from qdash.ui.view import SweepView


def found(run_id, **limits):
    with Store.open() as store:
        sweep = load_sweep(store, run_id)
        return recommendation(store, sweep, sweep.setting(), Limits(**limits))


def picture(page):
    return next(chart.proto.alt for chart in page.get("plotly_chart"))


def ticks(page):
    """layer → ticked, of the table before edits."""
    table = page.data_editor[0].value
    return dict(zip(table["layer"], table["keep"], strict=True))


def test_the_recommendation_is_the_one_of_the_command_line(open_page, mobilenet):
    page = open_page("decide")
    assert not page.exception
    expected = found(mobilenet)
    assert page.title[0].value == "Which layers stay in FP32?"
    assert f"Keep {len(expected.keep_fp32)} of 21 layers in FP32" in page.subheader[0].value
    assert "measured on 64 samples" in page.subheader[0].value
    assert all(f"`{layer}`" in text_of(page) for layer in expected.keep_fp32[:8])
    kept = [layer for layer, ticked in ticks(page).items() if ticked]
    assert set(kept) == set(expected.keep_fp32)


def test_the_tolerance_is_in_the_url_and_changes_the_answer(open_page, mobilenet):
    page = open_page("decide", drop="30")
    assert "No layer needs FP32" in page.subheader[0].value
    assert "within 30 points" in picture(page)
    page.number_input(key="drop_chosen").set_value(0.0).run()
    assert not page.exception
    assert page.query_params["drop"] == "0"
    assert "within 0 points" in picture(page)


def test_limits_on_layers_and_size(open_page, mobilenet):
    page = open_page("decide", max_fp32="0", drop="0.5")
    assert "No measured set stays within" in page.subheader[0].value
    tiny = open_page("decide", max_mb="0.0")
    assert not tiny.exception
    assert "No measured set is within the limits" in tiny.subheader[0].value


def test_pins_replace_the_recommendation_layer_by_layer():
    layers = ["a", "b", "c"]
    assert own_set(layers, ["a"], {}) == ["a"]
    assert own_set(layers, ["a"], {"a": False, "c": True}) == ["c"]
    edited = {"0": {"keep": False}, 2: {"keep": True}, 1: {"other": 1}}
    assert changed_pins(edited, layers, ["a"]) == {"a": False, "c": True}
    assert changed_pins(edited, layers, ["c"]) == {}


def test_a_pinned_set_is_estimated_then_measured_then_compared(open_page, mobilenet, queued):
    with Store.open() as store:
        store.pins.set(mobilenet, "conv_head", True)
    page = open_page("decide")
    assert "conv_head" in [layer for layer, ticked in ticks(page).items() if ticked]
    assert "Estimated, single layers added up: model-output SQNR" in text_of(page)
    assert "not measured" in [metric.value for metric in page.metric]
    press(page, "Measure this set")
    assert not page.exception
    (run_id,) = queued
    with Store.open() as store:
        spec = MeasureSpec.model_validate_json(store.runs.get(run_id).spec)
        assert set(spec.keep_sets[0]) == {*found(mobilenet).keep_fp32, "conv_head"}
        assert next(button for button in page.button if button.label == "Measure this set").disabled
        run_inline(store, run_id)
        measured = next(
            p
            for p in measured_points(store, load_sweep(store, mobilenet), spec.setting)
            if set(p.layers) == set(spec.keep_sets[0])
        )
    page = open_page("decide")
    assert f"{measured.value:.1f} %" in [metric.value for metric in page.metric if "Your set" in metric.label]
    assert any(button.label == "This set is measured" for button in page.button)


def test_the_way_back_forgets_the_pins(open_page, mobilenet):
    with Store.open() as store:
        store.pins.set(mobilenet, "conv_head", True)
        press(open_page("decide"), "Back to the recommendation")
        assert store.pins.of(mobilenet) == {}


def test_a_setting_without_a_curve_offers_to_measure_it(open_page, mobilenet, queued):
    with Store.open() as store:
        other = load_sweep(store, mobilenet).spec.settings()[1]
    page = open_page("decide", setting=other.key)
    assert not page.exception
    assert "is not measured yet" in page.subheader[0].value
    press(page, "Measure the curve")
    with Store.open() as store:
        spec = MeasureSpec.model_validate_json(store.runs.get(queued[0]).spec)
    assert spec.setting == other
    assert len(spec.keep_sets) == 22


def test_a_measurement_under_way_shows_its_progress(open_page, mobilenet, queued):
    with Store.open() as store:
        run_id = create_measure_run(store, mobilenet, keep_sets=[("conv_head",)])
        store.runs.queue(run_id)
        store.runs.set_status(run_id, "running", host="elsewhere")
    page = open_page("decide")
    assert not page.exception
    assert page.get("progress")
    assert "Keep" in page.subheader[0].value


def test_a_running_sweep_promises_nothing(open_page, running):
    page = open_page("decide")
    assert not page.exception
    assert "Still measuring" in page.subheader[0].value
    assert not [button for button in page.button if button.label == "Measure the curve"]


def test_cards_hold_measured_numbers_only():
    keyed, fp32 = KeyedSetting.of(SETTING), Baseline("accuracy", "%", 98.0, 50, 4.0)
    whole = AllQuantized(keyed, 90.0, -8.0, -12.0, -4.0, None, None, None, 1.0, 50, "ok")
    answer = SettingResult(fp32, whole, "model_output_kl", [])
    chosen = point(1, -1.0, -2.0, 0.5, value=97.0)
    recommended = Recommendation("run", keyed, ("a",), 1.0, SHOWN, None, chosen, [chosen])
    shown = cards(answer, recommended, ["a", "b"], None)
    assert [card.label for card in shown] == ["FP32", "All quantized", "Recommended: 1 in FP32", "Your set: 2 in FP32"]
    assert [card.value for card in shown] == [98.0, 90.0, 97.0, None]
    assert [card.low for card in shown] == [None, -12.0, -2.0, None]
    assert len(cards(answer, recommended, ["a"], chosen)) == 3


def test_the_export_names_run_setting_and_set(open_page, mobilenet):
    page = open_page("decide")
    buttons = page.get("download_button")
    assert [button.proto.label for button in buttons][-2:] == ["Ignore list", "JSON"]


@pytest.mark.parametrize("measured", [True, False])
def test_exported_json(mobilenet, measured):
    with Store.open() as store:
        sweep = load_sweep(store, mobilenet)
        setting = sweep.setting()
        view = SweepView(sweep, setting, setting_result(sweep.spec, setting, sweep.facts, sweep.tallies))
        found = measured_points(store, sweep, setting)[1] if measured else None
    content = json.loads(export_json(view, ["conv_stem"], found))
    assert content["keep_fp32"] == ["conv_stem"]
    assert content["run_id"] == mobilenet
    assert content["setting"]["weight_format"] == "int4"
    assert (content["measured"] is not None) == measured


def test_without_a_run_the_page_says_what_to_do(open_page, home):
    page = open_page("decide")
    assert not page.exception
    assert "There is no sweep yet." in text_of(page)
