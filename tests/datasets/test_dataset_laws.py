"""The laws of data set sources, over what ships, a callable's samples and files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qdash.testing.datasets import DatasetLaws
from qdash.testing.sources import shipped
from qdash.testing.tiny import DATA, samples


class TestDatasets(DatasetLaws):
    names = (*shipped("datasets"), DATA, "samples.npz", "samples.safetensors")

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        folder: Path = tmp_path_factory.mktemp("data")
        monkeypatch.chdir(folder)
        x, y = samples()
        np.savez(folder / "samples.npz", x=x.numpy(), y=y.numpy())
        save_file({"x": x, "y": y.to(torch.int64)}, folder / "samples.safetensors")
