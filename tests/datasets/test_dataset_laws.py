"""The laws of data set sources over all members."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qdash.registry import family
from qdash.testing.datasets import DatasetLaws
from qdash.testing.tiny import DATA, samples

NAMES = ("demo:digits", DATA, "samples.npz", "samples.safetensors")


class TestDatasets(DatasetLaws):
    names = NAMES

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        folder: Path = tmp_path_factory.mktemp("data")
        monkeypatch.chdir(folder)
        x, y = samples()
        np.savez(folder / "samples.npz", x=x.numpy(), y=y.numpy())
        save_file({"x": x, "y": y.to(torch.int64)}, folder / "samples.safetensors")


def test_no_member_is_left_out():
    assert {type(family("datasets").create(name)) for name in NAMES} == {entry.member for entry in family("datasets")}
