"""Mode qat: every layer is fine-tuned alone, on samples that are never evaluated."""

import copy
import math

import numpy as np
import pytest
import torch
from engine_helpers import run_work, sweep

import qdash.sweep.prepare.workload
from qdash.answers.cost import estimate
from qdash.errors import SpecError
from qdash.executors.base import build_work
from qdash.records.facts import read_facts
from qdash.records.scores import Progress
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec

MOBILENET = {
    "model": "demo:digits-mobilenet",
    "data": "demo:digits",
    "observers": ("min_max",),
    "weight_formats": ("int4",),
    "activation_formats": ("int4",),
}
HALF = MOBILENET | {"layers": "conv_stem,blocks.[024].*,classifier", "samples": 200}
FEW = MOBILENET | {"mode": "qat:steps=6", "layers": "conv_stem,blocks.0.*", "samples": 40}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The sweeps of half the MobileNet's layers at W4A4, static and fine-tuned."""
    folder = tmp_path_factory.mktemp("swept")
    return sweep(folder, mode="static", **HALF), sweep(folder, mode="qat", **HALF)


def by_layer(result, name):
    return {row["layer"]: row[name] for row in result["layers"]}


def test_no_layer_is_worse_than_without_and_the_sensitive_ones_are_better(swept):
    static, qat = (by_layer(result, "model_output_sqnr_db") for result in swept)
    gains = {layer: qat[layer] - static[layer] for layer in static}
    assert min(gains.values()) > -0.2
    assert sum(gain < 0 for gain in gains.values()) <= 2
    most_sensitive = [row["layer"] for row in swept[0]["layers"]][:5]
    assert np.mean([gains[layer] for layer in most_sensitive]) > 2
    assert np.mean(list(gains.values())) > 1.2
    assert swept[1]["all_quantized"]["sqnr_db"] > swept[0]["all_quantized"]["sqnr_db"] + 1.5


def test_a_recurrent_layer_learns(tmp_path):
    values = MOBILENET | {"model": "demo:digits-lstm", "samples": 200}
    static, qat = (by_layer(sweep(tmp_path, mode=mode, **values), "model_output_sqnr_db") for mode in ("static", "qat"))
    assert all(qat[layer] > static[layer] + 2 for layer in static)


def test_divergence_falls_in_sum(swept):
    static, qat = (by_layer(result, "model_output_kl") for result in swept)
    assert sum(qat.values()) < 0.7 * sum(static.values())


def test_each_row_says_what_the_layer_did_before(swept):
    static, qat = swept
    for ours, theirs in (
        ("ptq_model_output_sqnr_db", "model_output_sqnr_db"),
        ("ptq_model_output_kl", "model_output_kl"),
        ("ptq_metric_delta", "metric_delta"),
    ):
        before, expected = by_layer(qat, ours), by_layer(static, theirs)
        assert {layer: pytest.approx(value) for layer, value in expected.items()} == before
        assert set(by_layer(static, ours).values()) == {None}


def test_training_is_told_and_counted(swept):
    static, qat = swept
    assert qat["samples"]["training"] == 1000
    assert static["samples"]["training"] is None
    assert any("fine-tuning uses 1000 training samples of the data" in note for note in qat["notes"])
    assert qat["facts"]["training"]["loss"] == "distillation (squared error)"
    assert qat["cost"]["forward_equivalents"] > 3 * static["cost"]["forward_equivalents"]


def test_a_second_sweep_does_not_train_again(tmp_path):
    first, second = (sweep(tmp_path, **FEW) for _ in range(2))
    assert by_layer(first, "model_output_kl") == by_layer(second, "model_output_kl")
    assert (
        second["cost"]["macs" if "macs" in second["cost"] else "forward_equivalents"]
        < 0.7 * first["cost"]["forward_equivalents"]
    )


def test_other_evaluation_samples_and_methods_share_what_was_learned(tmp_path):
    sweep(tmp_path, **FEW)
    files = sorted(path.name for path in tmp_path.glob("trained-*"))
    assert len(files) == 4
    sweep(tmp_path, **FEW | {"samples": 20, "method": "statistics"})
    assert sorted(path.name for path in tmp_path.glob("trained-*")) == files
    assert not list(tmp_path.glob("training-*"))


def test_lossless_formats_score_exactly_no_loss(tmp_path):
    result = sweep(tmp_path, **FEW | {"weight_formats": ("identity",), "activation_formats": ("identity",)})
    for row in result["layers"]:
        assert row["model_output_sqnr_db"] == row["ptq_model_output_sqnr_db"] == math.inf
        assert row["model_output_kl"] == 0


@pytest.mark.parametrize("method", ["leave_one_out", "gradient", "statistics"])
def test_the_other_methods_use_the_fine_tuned_weights(method, tmp_path):
    qat = sweep(tmp_path, **FEW | {"method": method})
    static = sweep(tmp_path, **FEW | {"method": method, "mode": "static"})
    assert by_layer(qat, "weight_sqnr_db") != by_layer(static, "weight_sqnr_db")
    assert all(row["status"] == "ok" and math.isfinite(row["weight_sqnr_db"]) for row in qat["layers"])


def stopping_after(checks):
    """A `should_stop` that says yes at the given check."""
    left = iter(range(checks))
    return lambda: next(left, None) is None


def test_a_sweep_that_is_stopped_and_resumed_learns_the_same_to_the_bit(tmp_path):
    spec = checked(SweepSpec, **FEW)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    _, expected, _ = run_work("sweep", spec, whole)
    position, stops, found = "start", 0, []
    while position is not None:
        work = build_work("sweep", spec.model_dump_json(), str(parts))
        try:
            for record in work.advance(position, stopping_after(8)):
                if isinstance(record, Progress):
                    position, stops = record.position, stops + bool(record.position)
                elif hasattr(record, "subject"):
                    found.append(record)
        finally:
            work.close()
    assert stops > 3
    names = sorted(path.name for path in whole.glob("trained-*"))
    assert names == sorted(path.name for path in parts.glob("trained-*"))
    for name in names:
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    keyed = {(s.kind, s.subject, s.batch): s.sums.get("noise") for s in found}
    assert keyed == {(s.kind, s.subject, s.batch): s.sums.get("noise") for s in expected}


@pytest.mark.parametrize("ends", ["well", "fails", "is cancelled"])
def test_the_model_is_bit_identical_afterwards(ends, monkeypatch, tmp_path):
    kept, load = {}, qdash.sweep.prepare.workload.load_model

    def remember(spec):
        kept["model"], notes = load(spec)
        kept["before"] = copy.deepcopy(kept["model"])
        return kept["model"], notes

    monkeypatch.setattr(qdash.sweep.prepare.workload, "load_model", remember)
    if ends == "well":
        sweep(tmp_path, **FEW)
    elif ends == "fails":
        monkeypatch.setattr(
            "qdash.engine.learning.learner.Learner._follow", lambda *_: (_ for _ in ()).throw(RuntimeError("boom"))
        )
        with pytest.raises(RuntimeError, match="boom"):
            sweep(tmp_path, **FEW)
    else:
        work = build_work("sweep", checked(SweepSpec, **FEW).model_dump_json(), str(tmp_path))
        list(work.advance(None, stopping_after(9)))
        assert list(tmp_path.glob("training-*")), "it was stopped while it trained"
        work.close()
    model, before = kept["model"], kept["before"]
    assert model.state_dict().keys() == before.state_dict().keys()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == [p.requires_grad for p in before.parameters()]
    assert all(p.grad is None for p in model.parameters())
    assert not any("forward" in vars(module) for module in model.modules())
    assert all(
        isinstance(p, torch.nn.Parameter) for m in model.modules() for p in m._parameters.values() if p is not None
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "qat:steps=0"}, r"steps = '0'"),
        ({"mode": "qat:loss=guess"}, r"loss = 'guess'"),
        ({"mode": "qat:learning_rate=-1"}, r"learning_rate"),
        ({"mode": "qat:learned_scale=true:steps=2", "power_of_two_scales": True}, r"exclude each other"),
    ],
)
def test_wrong_options_are_told(values, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        sweep(tmp_path, **FEW | values)


def test_the_cost_is_estimated_before_it_is_spent(swept):
    for result, mode in zip(swept, ("static", "qat"), strict=True):
        wanted = estimate(checked(SweepSpec, mode=mode, **HALF), read_facts(result["facts"])).forward_equivalents
        assert wanted == pytest.approx(result["cost"]["forward_equivalents"], rel=0.15)
