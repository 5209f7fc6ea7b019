"""Before and after a fine-tune: gains with the right sign, titles that say also what got worse."""

import math

import pytest
from chart_helpers import clickable, row, titles

from qdash.charts.before_after import before_after_figure, before_after_frame, change_text
from qdash.charts.quantities import quantity

KL, SQNR, DELTA = (quantity(key, "accuracy") for key in ("model_output_kl", "model_output_sqnr_db", "metric_delta"))


def trained():
    """a is helped, b got worse, c is as it was."""
    values = [("a", 20.0, 26.0), ("b", 30.0, 28.5), ("c", 40.0, 40.0)]
    return [
        row(
            name,
            2 - i,
            ptq_model_output_sqnr_db=before,
            model_output_sqnr_db=after,
            ptq_model_output_kl=10 ** (-before / 10),
            model_output_kl=10 ** (-after / 10),
            ptq_metric_delta=-2.0,
            metric_delta=-1.0 if name == "a" else -2.0,
        )
        for i, (name, before, after) in enumerate(values)
    ]


@pytest.mark.parametrize(("by", "gains"), [(SQNR, [6, -1.5, 0]), (DELTA, [1, 0, 0])])
def test_a_gain_is_positive_where_the_fine_tune_helps(by, gains):
    assert before_after_frame(trained(), by)["gain"].tolist() == gains


def test_less_kl_is_a_gain_too():
    frame = before_after_frame(trained(), KL)
    assert frame["gain"].tolist() == pytest.approx([0.01 - 10**-2.6, 0.001 - 10**-2.85, 0])
    assert before_after_frame(trained(), KL, by_network=True)["layer"].tolist() == ["c", "b", "a"]
    assert before_after_frame(trained(), KL, top=2)["layer"].tolist() == ["a", "b"]


def test_the_picture_and_its_finding():
    figure = before_after_figure(before_after_frame(trained(), SQNR), SQNR, selected="b")
    assert figure.layout.title.text == (
        "The fine-tune helped 1 of 3 layers, most at a (20.0 → 26.0 dB); 1 got worse, most at b (30.0 → 28.5 dB)"
    )
    assert titles(figure) == ["Model-output SQNR, dB"]
    assert clickable(figure) == {"a", "b", "c"}
    assert list(figure.layout.yaxis.ticktext) == ["a", "<b>▸ b</b>", "c"]
    before, better, worse = figure.data[1:]
    assert list(before.x) == [20.0, 30.0, 40.0]
    assert list(better.x) == [26.0, 40.0]
    assert (list(worse.x), list(worse.y)) == ([28.5], [1])
    assert before.marker.symbol != better.marker.symbol != worse.marker.symbol
    assert before_after_figure(before_after_frame(trained(), KL), KL).layout.xaxis.type == "log"


def test_what_is_not_finite_is_told_and_not_drawn():
    rows = [*trained(), row("d", 3, status="non_finite", ptq_model_output_sqnr_db=9.0)]
    rows.append(row("e", 4, ptq_model_output_sqnr_db=math.inf, model_output_sqnr_db=math.inf))
    figure = before_after_figure(before_after_frame(rows, SQNR), SQNR)
    assert figure.layout.title.text.startswith("The fine-tune helped 1 of 5 layers")
    assert figure.layout.title.text.endswith("; 1 with NaN or Inf")
    assert clickable(figure) == {"a", "b", "c"}


def test_before_the_first_layer():
    figure = before_after_figure(before_after_frame([row("a")], SQNR), SQNR)
    assert figure.layout.title.text == "No layer has been fine-tuned yet"
    assert not figure.data


def test_a_change_in_words():
    assert change_text(44.51, 49.34, SQNR) == "44.5 → 49.3 dB"
    assert change_text(None, 49.34, SQNR) == "49.3 dB"
    assert change_text(-1.0, 0.0, DELTA) == "−1.00 → 0.00 points"
