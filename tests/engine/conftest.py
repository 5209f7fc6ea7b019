"""Fixtures of several engine tests."""

import numpy as np
import pytest

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


@pytest.fixture
def regression(tmp_path):
    """Writes a model file and data for it, returns the values of a sweep."""

    def write(body):
        (tmp_path / "model.py").write_text(
            HEAD + body + "\n\ndef build():\n    torch.manual_seed(0)\n    return Model()\n"
        )
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(60, 6)).astype(np.float32) * 4, rng.normal(size=(60, 1)).astype(np.float32)
        np.savez(tmp_path / "data.npz", x=x, y=y)
        return {
            "model": f"python:{tmp_path}/model.py:build",
            "data": str(tmp_path / "data.npz"),
            "metric": "mean_squared_error",
            "weight_formats": ("int4",),
            "batch_size": 16,
        }

    return write
