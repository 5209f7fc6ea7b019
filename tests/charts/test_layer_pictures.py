"""Heatmap, size, depth and attribution: exact frames, titles, units, clicks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from chart_helpers import SETTING, clickable, facts, kl_rows, row, titles

from qdash.charts.attribution import attribution_figure, attribution_frame
from qdash.charts.depth import depth_figure, depth_frame, steepest_drop
from qdash.charts.heatmap import (
    heatmap_figure,
    kinds_frame,
    kinds_title,
    setting_labels,
    settings_frame,
    settings_title,
)
from qdash.charts.layer_types import layer_types
from qdash.charts.quantities import quantity
from qdash.charts.ranking import ranking_frame
from qdash.charts.size_sensitivity import size_figure, size_frame
from qdash.records.facts import LayerFacts, RunFacts, WeightFacts
from qdash.results.diagnosis import weights_share
from qdash.results.rows import KeyedSetting
from qdash.results.size import size_mb
from qdash.spec.setting import Setting

KL, SQNR = quantity("model_output_kl"), quantity("model_output_sqnr_db")
EIGHT = Setting(observer="mse", weight_format="int8", activation_format="int8")


def matrix():
    return [
        row("a", 0, setting=SETTING, model_output_sqnr_db=10.0),
        row("a", 0, setting=EIGHT, model_output_sqnr_db=35.0),
        row("b", 1, setting=SETTING, model_output_sqnr_db=20.0),
        row("b", 1, setting=EIGHT, status="non_finite"),
    ]


def test_the_heatmap_has_a_cell_per_layer_and_setting():
    frame = settings_frame(matrix(), SQNR, settings=[EIGHT.key, SETTING.key])
    assert frame["layer"].tolist() == ["b", "b", "a", "a"]  # b has a row that isn't finite
    assert frame["column"].tolist() == [0, 1, 0, 1]
    assert frame["label"].tolist() == ["int8 weights", "int4 weights"] * 2
    assert frame["value"].tolist()[1:] == [20.0, 35.0, 10.0]
    assert frame["text"].tolist() == ["NaN", "20.0", "35.0", "10.0"]
    figure = heatmap_figure(frame, settings_title(frame, SQNR.title), selected="a")
    assert figure.layout.title.text == "Model-output SQNR is lowest in a with int4 weights: 10.0 dB"
    assert figure.data[0].colorbar.title.text == "SQNR, dB"
    assert clickable(figure) == {"a", "b"}
    assert list(figure.layout.yaxis.ticktext) == ["b", "<b>▸ a</b>"]


def test_setting_labels_name_only_what_differs():
    other = Setting(observer="min_max", weight_format="int4", activation_format="int8")
    keyed = [KeyedSetting.of(setting) for setting in (SETTING, other)]
    assert list(setting_labels(keyed).values()) == ["mse", "min_max"]


def test_one_setting_is_split_into_kinds_of_error():
    rows = [row("a", 0, weight_sqnr_db=20.0, input_sqnr_db=40.0, model_output_sqnr_db=15.0)]
    rows += [row("b", 1, weight_sqnr_db=30.0, input_sqnr_db=25.0, model_output_sqnr_db=math.inf)]
    frame = kinds_frame(rows, by_network=True)
    assert frame["label"].tolist() == ["Weight", "Input", "Model<br>output"] * 2
    assert frame["text"].tolist()[-1] == "∞"
    assert kinds_title(frame) == "The weights lose more than the inputs in 1 of 2 layers"
    left = kinds_frame([replace(found, method="leave_one_out") for found in rows])
    assert "Model<br>output" not in set(left["label"])


@pytest.mark.parametrize("layers", [0, 1, 300, 2000])
def test_heatmap_and_depth_of_any_size(layers):
    rows = [
        row(f"block.{i}.conv", i, layer_output_sqnr_db=30.0, cumulative_sqnr_db=30 - i / 100, model_output_sqnr_db=9.0)
        for i in range(layers)
    ]
    frame = kinds_frame(rows)
    figure = heatmap_figure(frame, kinds_title(frame) if layers else "nothing")
    assert figure.layout.title.text
    assert figure.layout.height < 1100
    assert len(frame) == 2 * layers
    depth = depth_figure(depth_frame(rows))
    assert depth.layout.title.text
    assert len(clickable(depth)) == layers


def test_size_is_what_quantizing_the_layer_saves():
    rows = kl_rows([0.1, 0.4])
    known = facts(rows)
    frame = size_frame(ranking_frame(rows, KL), known, SETTING)
    saved = size_mb(known, SETTING, ["l1"]) - size_mb(known, SETTING)
    assert frame.set_index("layer")["saved_mb"]["l1"] == pytest.approx(saved)
    assert frame["params"].tolist() == [100, 100]
    figure = size_figure(frame, KL, size="saved_mb", selected="l0")
    assert titles(figure) == ["Saved by quantizing, MB", "Model-output KL, nats"]
    assert clickable(figure) == {"l0", "l1"}
    assert any("▸ l0" in note.text for note in figure.layout.annotations)


def test_a_picture_without_points_says_so():
    figure = size_figure(size_frame(ranking_frame([], KL), facts([]), SETTING), KL)
    assert figure.layout.title.text == "No layer to place yet"
    assert not figure.data


def test_the_steepest_drop_is_named():
    rows = [row(f"l{i}", i, layer_output_sqnr_db=30.0, cumulative_sqnr_db=c) for i, c in enumerate([40, 38, 30, 29])]
    frame = depth_frame(rows[::-1])
    assert frame["layer"].tolist() == ["l0", "l1", "l2", "l3"]
    assert frame["cumulative"].tolist() == [40, 38, 30, 29]
    assert steepest_drop(frame) == 2
    figure = depth_figure(frame, selected="l1")
    assert "drops most at l2, by 8.0 dB; 29.0 dB at the last layer" in figure.layout.title.text
    assert titles(figure) == ["layer, in network order", "SQNR at the layer's output, dB"]
    assert len(figure.data) == 2


def test_an_infinite_or_missing_sqnr_makes_no_drop():
    rows = [row("a", 0, cumulative_sqnr_db=math.inf), row("b", 1, cumulative_sqnr_db=20.0), row("c", 2)]
    assert steepest_drop(depth_frame(rows)) is None
    assert depth_figure(depth_frame([])).layout.title.text == "No layer to show"


def test_attribution_shares_the_noise_energy():
    found = row(
        "a",
        weights_only_layer_output_sqnr_db=20.0,
        inputs_only_layer_output_sqnr_db=30.0,
        layer_output_sqnr_db=19.6,
    )
    assert weights_share(found) == pytest.approx(0.01 / 0.011)
    frame = attribution_frame(found)
    assert frame["part"].tolist() == ["weights only", "inputs only", "both"]
    assert frame["sqnr_db"].tolist() == [20.0, 30.0, 19.6]
    figure = attribution_figure(frame, weights_share(found))
    assert figure.layout.title.text == "The weights make 91 % of this layer's own noise"
    assert titles(figure) == ["SQNR, dB (shorter: more noise)"]


def test_an_estimated_attribution_speaks_of_the_models_output():
    found = row(
        "a",
        weights_only_model_output_sqnr_db=30.0,
        inputs_only_model_output_sqnr_db=20.0,
        model_output_sqnr_db=19.6,
        layer_output_sqnr_db=25.0,
    )
    frame = attribution_frame(found)
    assert frame["sqnr_db"].tolist() == [30.0, 20.0, 19.6]
    title = attribution_figure(frame, weights_share(found)).layout.title.text
    assert title == "The inputs make 91 % of this layer's noise at the model's output (estimated)"


def test_attribution_of_weights_alone_and_of_nothing():
    alone = row("a", weights_only_layer_output_sqnr_db=20.0, layer_output_sqnr_db=20.0)
    assert weights_share(alone) is None
    assert attribution_figure(attribution_frame(alone), None).layout.title.text == "Only the weights are quantized"
    assert attribution_figure(attribution_frame(row("a")), None).layout.title.text == "No errors were measured"


def test_a_depthwise_convolution_is_a_type_of_its_own():
    weights = {"weight": WeightFacts((8, 1, 3, 3))}
    layers = (LayerFacts("dw", "Conv2d", groups=8, weights=weights), LayerFacts("stem", "Conv2d", weights=weights))
    assert layer_types(RunFacts(layers=layers)) == {"dw": "Conv2d depthwise", "stem": "Conv2d"}


def test_every_picture_has_the_same_colour_for_a_type():
    from qdash.charts.theme import type_marks

    many = [f"T{i}" for i in range(9) for _ in range(9 - i)]
    marks = type_marks(many)
    assert len({marks[f"T{i}"] for i in range(5)}) == 5
    assert np.unique([color for color, _ in marks.values()]).size == 6
