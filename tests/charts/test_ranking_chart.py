"""The ranking: order, values, special rows, and what the title claims."""

import math

import numpy as np
import pytest
from chart_helpers import METRIC, clickable, kl_rows, row, titles

from qdash.charts.quantities import quantity
from qdash.charts.ranking import ranking_figure, ranking_frame
from qdash.charts.ranking_overview import overview_figure
from qdash.charts.ranking_title import ranking_title

KL = quantity("model_output_kl")
SQNR = quantity("model_output_sqnr_db")
DELTA = quantity("metric_delta", METRIC.name, METRIC.difference_unit)


def delta(layer, order, value, low, high):
    return row(layer, order, metric_delta=value, metric_delta_low=low, metric_delta_high=high)


def test_values_and_intervals_are_those_of_the_rows_worst_first():
    frame = ranking_frame(kl_rows([0.1, 0.3, 0.2]), KL)
    assert frame["layer"].tolist() == ["l1", "l2", "l0"]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert frame["value"].tolist() == [0.3, 0.2, 0.1]
    assert frame["low"].tolist() == pytest.approx([0.27, 0.18, 0.09])
    assert "95 % interval 0.27 to 0.33 nats" in frame["hover"][0]
    assert "64 samples" in frame["hover"][0]


def test_network_order_keeps_the_ranks():
    frame = ranking_frame(kl_rows([0.1, 0.3, 0.2]), KL, by_network=True)
    assert frame["layer"].tolist() == ["l0", "l1", "l2"]
    assert frame["rank"].tolist() == [3, 1, 2]


def test_rows_that_are_not_finite_lead_and_unmeasured_ones_end():
    rows = [*kl_rows([0.5]), row("late", 1, status="pending", samples=0), row("broken", 2, status="non_finite")]
    frame = ranking_frame(rows, KL)
    assert frame["layer"].tolist() == ["broken", "l0", "late"]
    figure = ranking_figure(frame, KL)
    assert "NaN or Inf" in figure.layout.title.text
    words = {text for trace in figure.data if trace.text is not None for text in trace.text}
    assert words == {"NaN or Inf", "not measured yet"}
    assert clickable(figure) == {"broken", "l0", "late"}
    assert figure.layout.yaxis.ticktext[0] == "broken"


@pytest.mark.parametrize("count", [0, 1, 20, 2000])
def test_any_number_of_layers_makes_a_picture(count):
    rows = kl_rows(list(np.geomspace(1e-6, 1.0, count))) if count else []
    frame = ranking_frame(rows, KL, top=60)
    figure = ranking_figure(frame, KL)
    assert len(frame) == count
    assert frame["shown"].sum() == min(count, 60)
    assert figure.layout.title.text
    assert len(clickable(figure)) == min(count, 60)
    if count:
        assert titles(figure) == ["Model-output KL, nats"]
        overview = overview_figure(frame, KL)
        assert len(clickable(overview)) == count
        assert str(f"{count:,}") in overview.layout.title.text


def test_the_axis_is_logarithmic_only_where_values_span_decades():
    assert ranking_figure(ranking_frame(kl_rows([0.2, 0.1]), KL), KL).layout.xaxis.type is None
    figure = ranking_figure(ranking_frame(kl_rows([0.2, 0.0001, 0.0]), KL), KL)
    assert figure.layout.xaxis.type == "log"
    drawn = np.concatenate([np.asarray(trace.x, float) for trace in figure.data])
    assert np.nanmin(drawn) > 0


def test_no_error_at_all_is_said_in_words():
    rows = [row("a", 0, model_output_sqnr_db=math.inf), row("b", 1, model_output_sqnr_db=20.0)]
    figure = ranking_figure(ranking_frame(rows, SQNR), SQNR)
    assert "∞, no error" in {text for trace in figure.data if trace.text is not None for text in trace.text}
    assert "only layer with an error" in figure.layout.title.text


def test_the_selected_layer_is_marked_by_more_than_colour():
    figure = ranking_figure(ranking_frame(kl_rows([0.2, 0.1]), KL), KL, selected="l1")
    assert list(figure.layout.yaxis.ticktext) == ["l0", "<b>▸ l1</b>"]


def test_long_names_keep_what_tells_them_apart():
    names = [f"model.decoder.layers.{i}.self_attn.out_proj" for i in (3, 11)]
    rows = [row(name, i, model_output_kl=0.1 + i) for i, name in enumerate(names)]
    frame = ranking_frame(rows, KL)
    assert frame["name"].nunique() == 2
    assert frame["name"].str.len().max() <= 26
    assert frame["layer"].tolist() == names[::-1]


def test_a_title_speaks_of_a_ratio_only_where_intervals_are_apart():
    assert "does 5.0 times the damage" in ranking_title(ranking_frame(kl_rows([0.5, 0.1]), KL), KL)
    assert "overlap" in ranking_title(ranking_frame(kl_rows([0.1, 0.095]), KL), KL)
    assert "nothing" in ranking_title(ranking_frame(kl_rows([0.0, 0.0]), KL), KL)
    assert "only layer that changes" in ranking_title(ranking_frame(kl_rows([0.5, 0.0]), KL), KL)


def test_a_title_claims_a_loss_only_where_the_interval_shows_it():
    unsure = [delta("a", 0, -1.0, -2.0, 0.5), delta("b", 1, 0.0, -0.5, 0.5)]
    title = ranking_title(ranking_frame(unsure, DELTA), DELTA)
    assert title == "No single layer's accuracy loss is shown: every 95 % interval reaches 0 or better (64 samples)"
    sure = ranking_frame([*unsure, delta("c", 2, -3.0, -4.0, -2.0)], DELTA)
    assert ranking_title(sure, DELTA).startswith("Taken one by one, 1 of 3 layers loses accuracy at 95 % confidence: c")


def test_a_metric_where_less_is_better_ranks_the_other_way_round():
    worse_up = quantity("metric_delta", "mean_squared_error", "", higher_is_better=False)
    frame = ranking_frame([delta("a", 0, 1.0, 0.5, 2.0), delta("b", 1, 0.1, -0.5, 0.5)], worse_up)
    assert "a (Linear)" in ranking_title(frame, worse_up)


def test_leave_one_out_says_what_remains():
    rows = kl_rows([0.1, 0.3], method="leave_one_out")
    left = quantity("model_output_kl", remaining=True)
    frame = ranking_frame(rows, left)
    assert frame["layer"].tolist() == ["l0", "l1"]
    figure = ranking_figure(frame, left, whole=0.4)
    assert figure.layout.title.text.startswith("Keeping l0 (Linear) alone in FP32 helps most: Model-output KL left 0.1")
    assert titles(figure) == ["Model-output KL left, nats"]
    assert "all quantized" in {note.text for note in figure.layout.annotations}
