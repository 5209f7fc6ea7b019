"""What fine-tuning learns from: never a sample that is evaluated, and which teacher."""

import numpy as np
import pytest
from engine_helpers import sweep

from qdash.demo.data import digits
from qdash.errors import DataError
from qdash.spec.sweep import Source
from qdash.sweep.prepare.training_set import training_set
from qdash.sweep.prepare.workload import load_workload


def test_training_and_evaluation_samples_are_disjoint():
    source = Source(model="demo:digits-lstm", data="demo:digits")
    workload = load_workload(source)
    chosen = training_set(workload, source, 32, None)
    assert len(chosen.indices) == 1000
    evaluated = {image.tobytes() for image in digits("evaluation")[0]}
    for step in range(chosen.batches_per_epoch):
        (images,) = chosen.batch(step).args
        assert not evaluated & {image.numpy().tobytes() for image in images}


@pytest.fixture
def files(tmp_path):
    """A small linear model with data and training files; (values of a spec, writer of an .npz)."""
    path = tmp_path / "model.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\ndef build():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))\n"
    )

    def write(name, **arrays):
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return {"model": f"python:{path}:build", "mode": "qat:steps=4:batch_size=8", "weight_formats": ("int3",)}, write


X = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)


Y = np.arange(80) % 3


def test_overlap_of_training_and_evaluation_data_is_counted_told_and_left_out(files, tmp_path):
    values, write = files
    given = write("given.npz", x=X[:40], y=Y[:40])
    result = sweep(
        tmp_path,
        data=write("evaluation.npz", x=X[20:60], y=Y[20:60]),
        calibration_data=write("calibration.npz", x=X[60:], y=Y[60:]),
        training_data=given,
        **values | {"mode": "qat:steps=40:batch_size=8"},
    )
    assert result["samples"]["training"] == 20
    assert any("20 of 40 training samples are evaluated too; they are left out" in note for note in result["notes"])
    with pytest.raises(DataError, match="every training sample is an evaluation sample"):
        sweep(tmp_path, **values, data=given, calibration_data=write("c.npz", x=X[60:], y=Y[60:]), training_data=given)


def test_without_other_samples_the_calibration_samples_train(files, tmp_path):
    values, write = files
    result = sweep(tmp_path, **values, data=write("data.npz", x=X, y=Y))
    assert result["samples"]["training"] == result["samples"]["calibration"] == 20
    assert any("20 calibration samples" in note for note in result["notes"])


def test_without_labels_fp32_is_the_teacher_and_asking_for_labels_says_so(files, tmp_path):
    values, write = files
    unlabelled = {**values, "data": write("data.npz", x=X), "metric": "agreement"}
    assert sweep(tmp_path, **unlabelled)["facts"]["training"]["loss"] == "distillation (squared error)"
    told = sweep(tmp_path, **unlabelled | {"mode": "qat:steps=2:loss=distillation_kl"})["facts"]["training"]["loss"]
    assert told == "distillation (KL)"
    with pytest.raises(DataError, match=r"loss=labels needs labels and the training data have none; use loss=dist"):
        sweep(tmp_path, **unlabelled | {"mode": "qat:loss=labels"})


@pytest.mark.parametrize(
    ("target", "metric", "loss"), [(Y, "accuracy", "cross-entropy"), (X[:, :3], "mean_squared_error", "squared error")]
)
def test_labels_can_be_the_teacher(target, metric, loss, files, tmp_path):
    values, write = files
    values |= {"data": write("data.npz", x=X, y=target), "metric": metric, "mode": "qat:steps=4:loss=labels"}
    assert loss in sweep(tmp_path, **values)["facts"]["training"]["loss"]
