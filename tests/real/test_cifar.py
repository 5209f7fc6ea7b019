"""The pretrained CIFAR-10 ResNet-20 of examples/: real weights, real images. Skipped where they are absent.

QDASH_CIFAR_FOLDER names a folder with resnet20_jpeg.pt, resnet20_original.th and cifar10_eval_2000.npz.
"""

import os
from pathlib import Path

import pytest
from engine_helpers import sweep

FOLDER = Path(os.environ.get("QDASH_CIFAR_FOLDER", "absent"))
MODEL = f"python:{Path(__file__).parents[2]}/examples/cifar_resnet20.py:resnet20"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="QDASH_CIFAR_FOLDER names no folder with the CIFAR-10 weights and images"
)


def values(weights="resnet20_jpeg.pt", **more):
    return {
        "model": MODEL,
        "weights": str(FOLDER / weights),
        "data": str(FOLDER / "cifar10_eval_2000.npz"),
    } | more


@pytest.fixture(scope="module")
def weight_only(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("cifar"), **values(mode="weight_only"))


def test_baseline_and_coverage(weight_only):
    assert weight_only["baseline"]["value"] == pytest.approx(87.45, abs=1.5)  # of all 10,000 images
    assert weight_only["baseline"]["samples"] == 1500
    assert weight_only["coverage"]["layers"] == 20
    assert weight_only["coverage"]["macs_share"] == 1.0
    assert len(weight_only["facts"]["folded"]) == 19


def test_counted_work_of_the_whole_command(weight_only):
    """At most 0.62 of the naive L + 1 forwards: baseline, all-quantized and calibration in."""
    assert weight_only["cost"]["forward_equivalents"] <= 0.62 * 21


def test_eight_bits_hold_and_the_numbers_are_those_of_the_field(weight_only):
    assert weight_only["all_quantized"]["delta"] == pytest.approx(0, abs=1.0)
    assert all(30 < row["model_output_sqnr_db"] < 70 for row in weight_only["layers"])


def test_the_original_checkpoint_as_found_in_the_wild(tmp_path):
    result = sweep(tmp_path, **values("resnet20_original.th", mode="weight_only", samples=256, layers="conv1,linear"))
    assert any("'state_dict'" in note for note in result["notes"])
    assert any("'module.'" in note for note in result["notes"])
    assert 70 < result["baseline"]["value"] < 92
