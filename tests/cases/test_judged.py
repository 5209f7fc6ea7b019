"""What is judged: several outputs, class axes, ignored labels, one score a sample, probabilities; with right values."""

import math

import pytest
import torch
from engine_helpers import sweep
from torch import nn

from qdash.errors import InputError

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F


def draw(*shape, seed=2):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def numbers(high, *shape, seed=3):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed))


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(16, 32)
        self.box, self.points, self.cls = nn.Linear(32, 4), nn.Linear(32, 10), nn.Linear(32, 2)

    def forward(self, x):
        h = self.trunk(x).relu()
        return self.box(h) * 100, self.points(h), self.cls(h).softmax(1)


class Embeds(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body, self.head = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        features = torch.relu(self.body(x))
        return {"features": features, "scores": self.head(features)}


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.emb, self.ff, self.out = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 6)

    def forward(self, x):
        return self.out(torch.relu(self.ff(self.emb(x))))


class Probabilities(nn.Module):
    def __init__(self, end):
        super().__init__()
        torch.manual_seed(1)
        self.a, self.o, self.end = nn.Linear(8, 8), nn.Linear(8, 4), end

    def forward(self, x):
        return self.end(self.o(torch.relu(self.a(x))) * 8)


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.a, self.side, self.gate, self.o = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(8, 4)

    def forward(self, x):
        h = self.a(x).relu()
        self.side(h)  # its output goes nowhere
        table = torch.eye(3)[self.gate(h).argmax(1)].repeat(1, 3)[:, :8]  # felt, though no gradient tells
        return self.o(h + table)


def one(outputs):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, outputs))
"""


@pytest.fixture
def run(tmp_path):
    """Sweeps a model and data given as code; returns the sweep JSON."""

    def made(model, data, **values):
        file = tmp_path / "made.py"
        file.write_text(f"{HEAD}\n\ndef model():\n    return {model}\n\n\ndef data():\n    {data}\n")
        given = {"observers": ("min_max",), "model": f"python:{file}:model", "data": f"python:{file}:data"}
        return sweep(tmp_path, **given | values)

    return made


def rows(result):
    return {row["layer"]: row for row in result["layers"]}


def test_all_heads_are_judged_each_over_its_own_energy(run):
    result = run("Heads()", "return draw(64, 16)", metric="agreement")
    assert {name: row["status"] for name, row in rows(result).items()} == dict.fromkeys(rows(result), "ok")
    assert all(math.isfinite(row["model_output_sqnr_db"]) for row in result["layers"])
    assert [(o["name"], tuple(o["shape"]), o["judged"]) for o in result["outputs"]] == [
        ("0", (4,), True), ("1", (10,), True), ("2", (2,), True),
    ]  # fmt: skip
    signal = sum(s.samples["signal"].sum() for s in result["scores"] if s.kind == "baseline")
    assert signal / 48 == pytest.approx(3 / 16, rel=0.3)  # about 1 for each output over as many samples as calibrate
    assert any("class scores of the output 2" in note for note in result["notes"])
    assert rows(result)["box"]["model_output_kl"] == 0
    assert rows(result)["cls"]["model_output_kl"] > 0
    estimate = run("Heads()", "return draw(64, 16)", metric="agreement", method="gradient:passes=32")
    for name, row in rows(result).items():
        assert rows(estimate)[name]["model_output_sqnr_db"] == pytest.approx(row["model_output_sqnr_db"], abs=1.5)


def test_one_output_can_be_chosen_and_then_the_others_have_no_path(run):
    for choice in ("1", "-2"):
        result = run("Heads()", "return draw(64, 16)", metric="relative_error", output=choice)
        found = rows(result)
        assert [name for name, row in found.items() if row["status"] == "no_path"] == ["box", "cls"]
        assert found["points"]["model_output_sqnr_db"] > 20
        assert all(found["box"][key] is None for key in ("model_output_sqnr_db", "metric_delta", "flipped"))
        assert [row["layer"] for row in result["layers"]][-2:] == ["box", "cls"]
        assert any("box, cls" in note for note in result["notes"])
    with pytest.raises(InputError, match=r"no output 'landmarks'; its floating outputs are: 0, 1, 2 \(--output\)"):
        run("Heads()", "return draw(64, 16)", metric="relative_error", output="landmarks")


def test_what_only_an_argmax_carries_has_a_path_and_what_goes_nowhere_has_none(run):
    for method in ("one_at_a_time", "gradient"):
        found = rows(run("Detached()", "return draw(64, 8)", metric="agreement", method=method))
        assert {name: row["status"] for name, row in found.items()} == {
            "a": "ok", "side": "no_path", "gate": "ok", "o": "ok",
        }  # fmt: skip


def test_the_scores_are_told_from_features_by_the_labels(run):
    result = run("Embeds()", "return draw(40, 8), numbers(4, 40)", calibration_data=None, samples=40)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    torch.manual_seed(1)
    model[0].reset_parameters(), model[2].reset_parameters()
    assert any("class scores of the output scores (N, 4)" in note for note in result["notes"])
    assert 0 < result["baseline"]["value"] < 100
    assert math.isfinite(rows(result)["head"]["model_output_sqnr_db"])


@pytest.mark.parametrize("tokens", [5, 6, 7])
def test_classes_lie_on_the_last_axis_however_many_tokens_there_are(run, tokens):
    data = f"x = numbers(20, 40, {tokens})\n    return x, Tagger()(x).argmax(-1)"
    assert run("Tagger()", data)["baseline"]["value"] == 100
    assert run("Tagger()", data, class_axis=-1)["baseline"]["value"] == 100


def test_where_two_readings_are_alike_it_asks(run):
    data = "return numbers(20, 40, 6), numbers(6, 40, 6)"
    with pytest.raises(InputError, match=r"shape \(N, 6, 6\) may hold class scores along axis 1 or 2; .* --class-axis"):
        run("Tagger()", data)
    assert run("Tagger()", data, class_axis=2)["baseline"]["samples"] == 30


def test_ignored_labels_are_proposed_and_left_out(run):
    data = "x = numbers(20, 40, 9)\n    y = Tagger()(x).argmax(-1)\n    y[:, 6:] = {}\n    return x, y"
    for value in (-100, 255):
        with pytest.raises(InputError, match=rf"leave positions with {value} out with --ignore-label {value}"):
            run("Tagger()", data.format(value))
        result = run("Tagger()", data.format(value), ignore_label=value)
        assert result["baseline"]["value"] == 100
    wrong = "x = numbers(20, 40, 9)\n    y = Tagger()(x).argmax(-1)\n    y[:, 6:] = (y[:, 6:] + 1) % 6\n    return x, y"
    whole = run("Tagger()", wrong)
    assert whole["baseline"]["value"] == pytest.approx(100 * 6 / 9)


@pytest.mark.parametrize("labels", ["", ", (one(1)(x).squeeze(1) > 0).long()", ", (one(1)(x) > 0).float()"])
def test_one_logit_is_a_choice_between_two_classes(run, labels):
    metric = "accuracy" if labels else "agreement"
    result = run("one(1)", f"x = draw(64, 8)\n    return x{labels}", metric=metric, weight_formats=("int2",))
    assert result["baseline"]["value"] == 100
    assert any("one score a sample" in note for note in result["notes"])
    assert all(row["model_output_kl"] > 0 for row in result["layers"])
    assert result["all_quantized"]["flipped"] > 0


def test_kl_of_probabilities_is_that_of_the_logits_before_them(run):
    softmax = rows(run("Probabilities(nn.Softmax(1))", "return draw(60, 8)", metric="agreement"))
    logits = rows(run("Probabilities(nn.Identity())", "return draw(60, 8)", metric="agreement"))
    for name, row in softmax.items():
        assert row["model_output_kl"] == pytest.approx(logits[name]["model_output_kl"], rel=1e-3)


@pytest.mark.parametrize(
    ("model", "data", "values", "message"),
    [
        ("Probabilities(nn.Sigmoid())", "return draw(64, 8)", {"metric": "agreement"}, "independent probabilities"),
        ("Probabilities(F.normalize)", "return draw(64, 8)", {"metric": "agreement"}, "vectors of length 1"),
        ("one(4)", "return draw(64, 8), numbers(4, 64)", {"metric": "top5"}, "top5 says nothing of 4 classes"),
        ("one(4)", "return draw(64, 8), draw(64)", {}, "labels are fractions, no class numbers"),
        ("one(4)", "return draw(64, 8), numbers(4, 64) / numbers(2, 64)", {}, "labels are NaN or Inf"),
        ("one(4)", "return draw(64, 8), numbers(9, 64)", {}, "labels go from 0 to 8, but the output has 4 classes"),
        ("one(4)", "return draw(64, 8), numbers(4, 64) + 1", {}, "go from 1 to 4, .*; number the classes from 0"),
        ("one(4)", "return draw(64, 8), numbers(4, 64, 3)", {}, r"output \(N, 4\), got labels of shape \(N, 3\)"),
        ("one(4)", "return draw(64, 8), numbers(4, 64)", {"class_axis": 3}, "no axis 3 for classes"),
        ("Embeds()", "return draw(64, 8)", {"metric": "agreement", "output": "2"}, "no output '2'"),
        (
            "one(4)", "return draw(64, 8), draw(4, 64)", {"metric": "mean_squared_error"}, "4 labels",
        ),
        (
            "one(4)", "return draw(64, 8), draw(64, 2, 2)", {"metric": "mean_squared_error"},
            r"targets of shape \(N, 2, 2\) for an output output \(N, 4\)",
        ),
        ("Heads()", "return draw(64, 16), numbers(40, 64)", {}, "go from 0 to 36, but the output has 10 classes"),
    ],
)  # fmt: skip
def test_what_can_not_be_told_is_asked_or_refused_in_one_line(run, model, data, values, message):
    with pytest.raises(InputError, match=message) as refused:
        run(model, data, **values)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("numbers(4, 64, 1)", "read as one label a sample"),
        ("F.one_hot(numbers(4, 64), 4)", "one-hot labels of shape (N, 4)"),
        ("F.one_hot(numbers(4, 64), 4).float()", "one-hot labels"),
        ("numbers(4, 64).float()", "whole numbers stored as floats"),
        ("numbers(4, 64).to(torch.uint8)", ""),
        ("numbers(2, 64).bool()", ""),
    ],
)
def test_labels_in_another_form_are_read_and_said(run, labels, said):
    result = run("one(4)", f"return draw(64, 8), {labels}")
    assert any(said in note for note in result["notes"]) or not said
    assert 0 <= result["baseline"]["value"] <= 100


def test_many_labels_a_sample_are_many_choices(run):
    """Multi-label: each score stands for itself, no softmax over them."""
    data = "x = draw(64, 8)\n    return x, (one(4)(x) > 0).long()"
    result = run("one(4)", data, weight_formats=("int3",))
    assert result["baseline"]["value"] == 100
    assert all(row["model_output_kl"] > 0 for row in result["layers"])


def test_nothing_to_compare_with_is_needed_for_the_relative_error(run):
    result = run("Probabilities(F.normalize)", "return draw(64, 8)", metric="relative_error", weight_formats=("int4",))
    assert result["baseline"]["value"] == 0
    assert 0 < result["all_quantized"]["value"] < 100
