"""Layers: the answer, the pictures, the panel of a layer, the table; on every kind of run."""

import re
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from chart_helpers import tensor
from ui_helpers import text_of

from qdash.answers.stored import load_sweep
from qdash.calibration.summaries import Calibration
from qdash.charts.clipping import clipping_frame
from qdash.home import artifacts
from qdash.records.scores import Facts, Progress
from qdash.registry import family
from qdash.spec.sweep import SweepSpec
from qdash.store.runs import NewRun
from qdash.store.store import Store
from qdash.ui.layers.controls import named
from qdash.ui.layers.table import csv_text
from qdash.ui.layers.tensor import tensor_text


def pictures(page):
    """The titles of all figures, which screen readers read."""
    return [chart.proto.alt for chart in page.get("plotly_chart")]


def variant(run_id, *, method=None, keep=lambda score: True, facts=None, status="done"):
    """A run with the scores of another one, some of them left out; its id."""
    with Store.open() as store:
        run = store.runs.get(run_id)
        spec = SweepSpec.model_validate_json(run.spec)
        if method:
            spec = spec.model_copy(update={"method": method})
        new = store.runs.create(NewRun("sweep", spec.model_dump_json(), model=run.model, data=run.data))
        scores = [score for score in store.scores.read(run_id) if keep(score)]
        store.save(new, [Facts((run.facts or {}) | (facts or {})), *scores, Progress(None, 1, 1)])
        if status != "done":
            store.runs.set_status(new, status, host="elsewhere")
        return new


def test_the_question_is_answered_with_numbers(open_page, mobilenet):
    page = open_page("layers")
    assert not page.exception
    assert page.title[0].value == "Which layers hurt, and why?"
    with Store.open() as store:
        first = next(
            r for r in load_sweep(store, mobilenet).result().layers if r.settings.setting.weight_format == "int4"
        )
    answer = page.subheader[0].value.replace("\\", "")
    assert "of 21 layers do 80 % of the damage" in answer
    assert first.layer in answer
    assert "64 samples" in answer
    assert any("KL" in title or "overlap" in title for title in pictures(page))


def test_only_the_picture_that_is_looked_at_is_made(open_page, mobilenet):
    titles = {view: pictures(open_page("layers", view=view)) for view in ("Heatmap", "Size", "Depth")}
    assert "Model-output SQNR is lowest in" in titles["Heatmap"][0]
    assert "int4 weights" in titles["Heatmap"][0]
    assert "most sensitive layers have" in titles["Size"][0]
    assert "the SQNR drops most at" in titles["Depth"][0]
    assert {len(shown) for shown in titles.values()} == {2}  # and the attribution in the panel


def test_observers_and_formats_are_compared_without_a_run(open_page, mobilenet):
    page = open_page("layers", view="Observers")
    assert not page.exception
    assert pictures(page)[0].startswith("At int4, ")
    table = next(frame.value for frame in page.dataframe if "observer" in frame.value)
    assert len(table) == 21 * 3 * 5
    page.multiselect(key="observers_formats").set_value(["int2"]).run()
    assert pictures(page)[0].startswith("At int2, ")
    page.segmented_control(key="observers_part").set_value("Weights").run()
    assert not page.exception
    page.multiselect(key="observers_formats").set_value([]).run()
    assert any("Choose a format" in info.value for info in page.info)


def test_a_layer_of_the_url_is_shown_with_its_numbers(open_page, mobilenet):
    page = open_page("layers", layer="blocks.4.conv_dw")
    assert not page.exception
    assert page.query_params["layer"] == "blocks.4.conv_dw"
    assert page.selectbox(key="layer_chosen").value == "blocks.4.conv_dw"
    said = text_of(page).replace("\\", "")
    assert "Conv2d depthwise · weight 32×1×3×3" in said
    assert "Its weights make" in said
    assert "share one scale" in said


def test_choosing_a_layer_puts_it_into_the_url(open_page, mobilenet):
    page = open_page("layers")
    page.selectbox(key="layer_chosen").select("conv_head").run()
    assert not page.exception
    assert page.query_params["layer"] == "conv_head"
    assert page.selectbox(key="layer_chosen").value == "conv_head"


@pytest.mark.parametrize("part", ["weight", "input"])
def test_weights_and_inputs_show_every_observers_range(open_page, mobilenet, part):
    page = open_page("layers", layer="blocks.4.conv_dw", part=part)
    assert not page.exception
    assert len(pictures(page)) == 3
    table = page.dataframe[0].value
    assert set(table["observer"]) == set(family("observers").names())
    assert table.set_index("observer")["own"]["mse"]
    with Store.open() as store:
        facts = store.runs.get(mobilenet).facts
    summary = Calibration.load(artifacts() / facts["calibration_file"]).layers["blocks.4.conv_dw"]
    found = summary.input if part == "input" else summary.weights["weight"]
    assert table.set_index("observer")["high"]["min_max"] == pytest.approx(
        float(found.maximum) if part == "input" else max(-float(found.minimum), float(found.maximum))
    )


@pytest.mark.parametrize("part", ["weight", "input"])
def test_a_tensor_has_its_fixed_points(open_page, mobilenet, part):
    page = open_page("layers", layer="blocks.4.conv_dw", part=part)
    said = text_of(page).replace("\\", "")
    own = page.dataframe[0].value.set_index("own").loc[True]
    assert f"Scale **{own['step']:.4g}**" in said
    assert f"zero point **{own['zero_point']}**".replace("-", "−") in said
    assert re.search(r"clipped \*\*[\d.]+ %\*\*, saturated \*\*[\d.]+ %\*\* of the values", said)
    assert re.search(r"Kurtosis \*\*[\d.]+\*\* \(normal: 3\), dead channels \*\*\d+ of 32\*\*", said)
    assert own["saturated"] >= own["clipped"]


def test_a_tensor_that_is_all_zeros_has_no_kurtosis():
    zeros = tensor(np.zeros((4, 2)))
    said = tensor_text(zeros, clipping_frame(zeros, "int8", "affine", "mse"))
    assert "Kurtosis **–**, dead channels **2 of 2**" in said
    assert tensor_text(zeros, clipping_frame(zeros, "identity", "affine", "mse")).startswith("Kurtosis")


def test_the_filter_narrows_pictures_and_table(open_page, mobilenet):
    page = open_page("layers", only="*conv_dw")
    assert page.dataframe[-1].value["layer"].str.endswith("conv_dw").all()
    empty = open_page("layers", only="nothing.like.this")
    assert not empty.exception
    assert "No layer has such a name" in empty.info[0].value


def test_names_and_patterns():
    assert named("blocks.0.conv_dw", "DW, fc")
    assert named("fc", "blocks.*, fc*")
    assert not named("head.fc", "fc*")  # a pattern matches whole names


def test_the_table_has_the_numbers_of_the_result(open_page, mobilenet):
    table = open_page("layers", by="Model-output SQNR").dataframe[-1].value
    assert table["model_output_sqnr_db"].is_monotonic_increasing
    assert table["samples"].tolist() == [64] * len(table)


def test_the_csv_has_every_layer_under_every_setting(mobilenet):
    with Store.open() as store:
        rows = load_sweep(store, mobilenet).result().layers
    frame = pd.read_csv(StringIO(csv_text(rows)))
    assert len(frame) == len(rows)
    assert set(frame["weight_format"]) == {"int4", "int8"}
    assert frame["model_output_kl"].tolist() == pytest.approx([row.model_output_kl for row in rows])


def test_a_run_under_way_shows_what_is_there(open_page, mobilenet):
    some = variant(mobilenet, keep=lambda s: s.kind != "layer" or s.subject.startswith("blocks"), status="running")
    page = open_page("layers", run=some)
    assert not page.exception
    assert "not yet" in set(page.dataframe[-1].value["status"])
    nothing = variant(mobilenet, keep=lambda s: False, status="running")
    page = open_page("layers", run=nothing)
    assert not page.exception
    assert "No layer has been measured yet" in page.subheader[0].value


@pytest.mark.parametrize("method", ["leave_one_out", "statistics"])
def test_other_methods(open_page, mobilenet, method):
    local = variant(mobilenet, method=method, keep=lambda s: method != "statistics" or s.kind != "all_quantized")
    for view in ("Ranking", "Heatmap", "Size", "Depth"):
        page = open_page("layers", run=local, view=view)
        assert not page.exception
        assert page.subheader[0].value
    if method == "leave_one_out":
        assert "helps most" in open_page("layers", run=local).subheader[0].value


def test_without_its_calibration_file_a_run_has_everything_else(open_page, mobilenet):
    gone = variant(mobilenet, facts={"calibration_file": "gone.npz"})
    page = open_page("layers", run=gone)
    assert not page.exception
    assert "gone.npz" in page.info[0].value
    assert len(pictures(page)) == 2


def test_an_lstm_has_two_weights_to_look_at(open_page, done):
    page = open_page("layers", layer="lstm", part="weight_hh_l0")
    assert not page.exception
    assert any("256 channels of the weights" in title for title in pictures(page))


def test_without_a_run_the_page_says_what_to_do(open_page, home):
    page = open_page("layers")
    assert not page.exception
    assert "There is no sweep yet." in text_of(page)


def test_a_failed_run_says_why(open_page, failed):
    page = open_page("layers")
    assert not page.exception
    assert "no callable 'build'" in text_of(page)


def test_layers_of_another_run_are_not_selected(open_page, mobilenet):
    page = open_page("layers", layer="not.in.this.run")
    assert not page.exception
    assert page.selectbox(key="layer_chosen").value != "not.in.this.run"
