"""Weights as found in the wild: wrappers and prefixes are undone and said, code is refused."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from qdash.errors import ModelError
from qdash.models.checkpoint import load_weights


@pytest.fixture
def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def other_state():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()


@pytest.mark.parametrize("suffix", ["pt", "pth", "th"])
def test_wrapped_and_prefixed(model, suffix, tmp_path):
    state = other_state()
    path = tmp_path / f"weights.{suffix}"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "best_prec1": 91.7}, path)
    notes = load_weights(model, str(path))
    assert all(torch.equal(model.state_dict()[k], v) for k, v in state.items())
    assert any("'state_dict'" in note for note in notes)
    assert any("'module.'" in note for note in notes)


def test_safetensors_and_the_counter_that_old_checkpoints_lack(model, tmp_path):
    state = {k: v for k, v in other_state().items() if not k.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "weights.safetensors")
    assert load_weights(model, str(tmp_path / "weights.safetensors")) == []
    assert torch.equal(model[0].weight, state["0.weight"])


class Payload:
    ran = False

    def __reduce__(self):
        return (exec, ("from test_checkpoint import Payload; Payload.ran = True",))


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(model, tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": other_state(), "extra": Payload()}, path, pickle_module=pickle)
    with pytest.raises(ModelError, match=r"evil.pt holds more than weights and could run code"):
        load_weights(model, str(path))
    assert not Payload.ran


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), r"missing 0.bias"),
        (lambda s: s.update(extra=torch.ones(1)), r"unexpected extra"),
        (
            lambda s: s.update({"0.weight": torch.ones(3, 5)}),
            r"0.weight has shape \(3, 5\), the model expects \(3, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(model, change, message, tmp_path):
    state = other_state()
    change(state)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=message):
        load_weights(model, str(tmp_path / "w.pt"))


def test_not_a_checkpoint(model, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"garbage")
    with pytest.raises(ModelError, match=r"w.pt"):
        load_weights(model, str(tmp_path / "w.pt"))
    torch.save({"epoch": 3}, tmp_path / "e.pt")
    with pytest.raises(ModelError, match=r"holds no state_dict"):
        load_weights(model, str(tmp_path / "e.pt"))
