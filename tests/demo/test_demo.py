"""The demo digits are the real ones and split cleanly; the demo networks are good, small and reproducible."""

import socket
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from qdash.demo import data, train
from qdash.demo.data import SIZES, Split, digits
from qdash.demo.networks import NETWORKS, WEIGHTS, build
from qdash.errors import DataError, MissingLibraryError, UnknownNameError

SPLITS = get_args(Split)
FIRST_EVALUATION_LABELS = [9, 8, 8, 8, 3, 7, 6, 5, 0, 7, 1, 0]


def images_of(split):
    return [image.tobytes() for image in digits(split)[0]]


@pytest.mark.parametrize("split", SPLITS)
def test_shapes_types_and_range(split):
    x, y = digits(split)
    assert (x.shape, x.dtype) == ((SIZES[split], 1, 8, 8), np.float32)
    assert (y.shape, y.dtype) == ((SIZES[split],), np.int64)
    assert x.min() == 0
    assert x.max() == 1


def test_the_splits_together_are_exactly_what_scikit_learn_loads():
    expected = load_digits()
    ours = [(*(x * 16).ravel(), y) for split in SPLITS for x, y in zip(*digits(split), strict=True)]
    assert sorted(ours) == sorted((*image, label) for image, label in zip(expected.data, expected.target, strict=True))


def test_no_image_occurs_in_two_splits_or_twice_in_one():
    images = [image for split in SPLITS for image in images_of(split)]
    assert len(set(images)) == len(images) == 1797


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_has_its_share(split):
    share = np.bincount(load_digits().target) * SIZES[split] / 1797
    counts = np.bincount(digits(split)[1], minlength=10)
    assert np.abs(counts - share).max() < 2


def test_the_split_is_fixed():
    """Known labels: another split would make every published figure of the demo wrong."""
    data._table.cache_clear()
    assert digits("evaluation")[1][:12].tolist() == FIRST_EVALUATION_LABELS


def test_another_split_than_the_trained_one_is_refused(monkeypatch):
    monkeypatch.setattr(data, "SEED", data.SEED + 1)
    with pytest.raises(DataError, match="splits the digits differently"):
        digits("evaluation")


def test_arrays_belong_to_the_caller():
    digits("calibration")[0][:] = 7
    assert digits("calibration")[0].max() == 1


def test_the_public_loader_gives_the_same_table():
    np.testing.assert_array_equal(data._table(), data._from_public_loader())


def test_unknown_split_and_missing_library_are_told(monkeypatch):
    with pytest.raises(UnknownNameError, match="'test'; choose from train, calibration, evaluation"):
        digits("test")
    data._table.cache_clear()
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match="pip install scikit-learn"):
        digits("train")


def test_names_and_data_need_neither_torch_nor_scikit_learn():
    code = (
        "import sys; from qdash.demo.networks import NETWORKS; from qdash.demo.data import digits; digits('train');"
        "print(len(NETWORKS), sorted({'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4 []"


@pytest.mark.parametrize("name", NETWORKS)
def test_packaged_networks_are_accurate(name):
    x, y = digits("evaluation")
    network = build(name)
    with torch.no_grad():
        logits = network(torch.from_numpy(x)).numpy()
    assert (logits.argmax(1) == y).mean() > 0.96
    assert train.accuracy(network, "evaluation") == pytest.approx(100 * (logits.argmax(1) == y).mean())


@pytest.mark.parametrize("name", NETWORKS)
def test_build_is_offline_and_in_eval_mode(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert not any(module.training for module in build(name).modules())


def test_unknown_network_is_told():
    with pytest.raises(UnknownNameError, match="'digits-vgg'; choose from digits-resnet, digits-mobilenet"):
        build("digits-vgg")


def test_weights_are_small_and_one_file_each():
    files = {file.name: file.stat().st_size for file in WEIGHTS.iterdir()}
    assert set(files) == {f"{name}.safetensors" for name in NETWORKS}
    assert sum(files.values()) < 1_500_000


def test_the_resnet_works_in_place_as_torchvisions_does():
    """Sweeps must survive in-place layers; a demo without them would hide it."""
    network = build("digits-resnet")
    seen = {}
    network.layer1[0].bn2.register_forward_hook(lambda module, args, out: seen.update(out=out, version=out._version))
    with torch.no_grad():
        network(torch.rand(2, 1, 8, 8))
    assert seen["out"]._version == seen["version"] + 2  # `out += identity`, then ReLU(inplace=True)
    assert network.relu.inplace


def test_the_mobilenets_outlier_channel_is_dead():
    """What docs/demo.md says about blocks.4.conv_dw: one channel sets the scale and never carries anything."""
    network = build("digits-mobilenet")
    block = network.blocks[4]
    factor = block.bn2.weight / torch.sqrt(block.bn2.running_var + block.bn2.eps)
    largest = (block.conv_dw.weight * factor.view(-1, 1, 1, 1)).detach().abs().amax((1, 2, 3))
    outlier = int(largest.argmax())
    assert largest[outlier] / largest.median() > 8
    inputs = []
    block.act1.register_forward_hook(lambda module, args, out: inputs.append(out.clone()))
    with torch.no_grad():
        network(torch.from_numpy(digits("evaluation")[0]))
    assert inputs[0][:, outlier].abs().max() == 0
    assert inputs[0].max() > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_reproducible_and_leaves_no_trace(name, monkeypatch):
    images, labels = train._tensors("train")
    monkeypatch.setattr(train, "_tensors", lambda split: (images[:200], labels[:200]))
    recipe = replace(train.RECIPES[name], epochs=1)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = train.train(name, recipe).state_dict()
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    torch.rand(3)
    second = train.train(name, recipe).state_dict()
    other = train.train(name, replace(recipe, seed=recipe.seed + 1)).state_dict()
    assert torch.get_num_threads() == threads
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_augmentation_stays_an_image_and_changes_every_image():
    x = torch.from_numpy(digits("calibration")[0])
    torch.manual_seed(0)
    changed = train.augment(x)
    assert changed.shape == x.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert ((changed - x).abs().amax((1, 2, 3)) > 0).all()


def test_the_command_writes_weights_that_load(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(train.RECIPES, "digits-lstm", replace(train.RECIPES["digits-lstm"], epochs=1))
    train.main(["--only", "digits-lstm", "--out", str(tmp_path / "new")])
    monkeypatch.setattr("qdash.demo.networks.WEIGHTS", tmp_path / "new")
    printed = capsys.readouterr().out
    assert f"evaluation {train.accuracy(build('digits-lstm'), 'evaluation'):.2f} %" in printed
