"""Layers that share a weight are one row."""

import pytest
from engine_helpers import sweep


@pytest.fixture
def tied(tmp_path):
    """A sweep of a language model whose head is its table, as a function of the spec."""
    (tmp_path / "tied.py").write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "class Model(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        torch.manual_seed(0)\n"
        "        self.table, self.middle = nn.Embedding(9, 4), nn.Linear(4, 4)\n"
        "        self.head = nn.Linear(4, 9, bias=False)\n"
        "        self.head.weight = self.table.weight\n\n"
        "    def forward(self, x):\n"
        "        return self.head(self.middle(self.table(x)).mean(1))\n\n\n"
        "def data():\n"
        "    return torch.arange(48).view(16, 3) % 9, torch.arange(16) % 9\n"
    )
    text = f"python:{tmp_path / 'tied.py'}:"
    return lambda **values: sweep(tmp_path, model=text + "Model", data=text + "data", **values)


def test_tied_weights_are_one_row_with_all_call_sites(tied):
    result = tied(batch_size=4)
    rows = {row["layer"]: row for row in result["layers"]}
    assert set(rows) == {"table", "middle"}
    assert rows["table"]["calls"] == 2
    assert rows["table"]["params"] == 36
    assert "shares its weight with head: quantized together" in rows["table"]["note"]
    assert result["coverage"]["params_share"] == pytest.approx((36 + 16) / (36 + 20))
    assert result["coverage"]["macs_share"] == pytest.approx(1.0)


def test_a_pattern_that_matches_any_of_them_selects_the_row(tied):
    assert [row["layer"] for row in tied(layers="head")["layers"]] == ["table"]
