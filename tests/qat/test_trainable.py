"""A layer that learns begins as the quantized layer, to the bit, and moves in quantization steps."""

from contextlib import ExitStack

import pytest
import torch

from qdash.engine.learning.learner import Learner
from qdash.engine.learning.losses import loss_of
from qdash.modes.qat import Qat
from qdash.spec.setting import Setting
from qdash.spec.sweep import Source
from qdash.sweep.prepare.prepare import ensure_calibrated, prepare
from qdash.sweep.training.learners import trainable


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """Model name → a calibrated bench with one batch of digits loaded."""
    folder, found = tmp_path_factory.mktemp("calibration"), {}
    with ExitStack() as stack:

        def bench(model):
            if model not in found:
                source = Source(model=f"demo:{model}", data="demo:digits")
                prepared = prepare(stack, source, [Setting()], "*", folder)
                ensure_calibrated(prepared, source, lambda: None)
                found[model] = prepared.bench
            return found[model]

        yield bench


@pytest.mark.parametrize("model", ["digits-mobilenet", "digits-vit", "digits-lstm"])
@pytest.mark.parametrize(
    "setting",
    [
        Setting(weight_format="int4", activation_format="int4"),
        Setting(weight_format="int4", mode="dynamic"),
        Setting(weight_format="int3", mode="weight_only", weight_granularity="per_group:size=16"),
        Setting(weight_format="uint8", weight_scheme="affine", observer="percentile", weight_granularity="per_tensor"),
    ],
    ids=lambda setting: f"{setting.mode}-{setting.weight_format}",
)
@pytest.mark.parametrize("learned_scale", [False, True])
def test_before_the_first_step_it_is_the_quantized_layer(model, setting, learned_scale, benches):
    bench = benches(model)
    for name in bench.layers:
        learner = trainable(bench, [name], setting, Qat(learned_scale=learned_scale))[name]
        quantized = bench.replay({name: bench.quantizers.at(name, setting).run}, name).judged
        assert torch.equal(bench.replay({name: learner.run}, name).judged, quantized), name
        trained = learner.trained()
        for path, weight in bench.quantizers.at(name, setting).weights.items():
            assert torch.equal(trained.weights[path], weight), name


def test_adam_moves_a_weight_by_the_learning_rate_in_quantization_steps(benches):
    bench, name = benches("digits-mobilenet"), "blocks.0.conv_pwl"
    layer = trainable(bench, [name], Setting(weight_format="int4"), Qat())[name]
    learner = Learner([name], {name: layer}, learning_rate=0.25, steps=100)
    learner.learn(bench, loss_of("auto", bench.reader, None)[0])
    moved = layer.trained_tensors()["weight"].detach().abs()
    alive = moved[moved > 0]
    assert len(alive) > 0.9 * moved.numel()
    torch.testing.assert_close(alive, torch.full_like(alive, 0.25), rtol=1e-4, atol=1e-4)
    step = layer.trainable["weight"]._step
    grid = layer.trainable["weight"].scale.start
    assert 0.5 < float((step / grid).median()) < 1.5  # the step that Adam moves in is about that of the grid


def test_a_lossless_format_has_nothing_to_learn(benches):
    bench, name = benches("digits-mobilenet"), "conv_stem"
    layer = trainable(bench, [name], Setting(weight_format="identity", activation_format="identity"), Qat())[name]
    learner = Learner([name], {name: layer}, learning_rate=1.0, steps=7)
    assert learner.step == 7
    assert torch.equal(layer.trained().weights["weight"], bench.instrument.modules[name].weight.detach())


def test_a_learned_scale_changes_with_the_weights(benches):
    bench, name = benches("digits-mobilenet"), "classifier"
    setting = Setting(weight_format="int4", activation_format="int4")
    layer = trainable(bench, [name], setting, Qat(learned_scale=True))[name]
    learner = Learner([name], {name: layer}, learning_rate=0.01, steps=30)
    before = layer.trained()
    loss = loss_of("auto", bench.reader, None)[0]
    losses = [float(learner.learn(bench, loss)) for _ in range(30)]
    after = layer.trained()
    assert losses[-1] < losses[0]
    assert (after.scales["weight"].scale != before.scales["weight"].scale).all()
    assert (after.scales["weight"].scale > 0).all()
    assert after.inputs["input"].scale != before.inputs["input"].scale
    assert after.inputs["input"].zero_point == before.inputs["input"].zero_point
