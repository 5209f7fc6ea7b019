"""Weights as found in the wild: wrappers and prefixes are undone and said, code is refused."""

import pickle
import warnings
import zipfile

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from qdash.errors import ModelError
from qdash.tensors.checkpoints.load import load_weights


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


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.head = nn.Linear(4, 3)


def net_state(seed=3):
    torch.manual_seed(seed)
    return Net().state_dict()


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


def within(state, part):
    """The names as a wrapper around every layer of a list leaves them."""
    return {name.replace("layers.0.", f"layers.0.{part}."): value for name, value in state.items()}


def averaged(state):
    return {"n_averaged": torch.tensor(7), **prefixed(state, "module.")}


def loaded(tmp_path, value, model=None, key=None):
    """(model, notes) after value went through a file."""
    model = model or Net()
    torch.save(value, tmp_path / "w.pt")
    return model, load_weights(model, str(tmp_path / "w.pt"), key)


TAKEN = {
    "plain": lambda s: s,
    "a tensor beside": lambda s: {"state_dict": s, "best_acc1": torch.tensor(76.1), "epoch": 9},
    "an epoch as tensor": lambda s: {"epoch": torch.tensor(5), "model": s},
    "an optimizer beside": lambda s: {
        "model": s,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(4, 4)}}, "param_groups": [{"lr": 0.1}]},
    },
    "params_ema alone": lambda s: {"params_ema": s},
    "network": lambda s: {"network": s, "args": {"width": 4}},
    "generator beside a discriminator": lambda s: {"generator": s, "discriminator": {"fc.weight": torch.ones(2, 2)}},
    "two levels": lambda s: {"checkpoint": {"model": s, "step": torch.tensor(3)}},
    "the same twice": lambda s: {"model": s, "model_ema": {k: v.clone() for k, v in s.items()}},
    "DataParallel": lambda s: prefixed(s, "module."),
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled and parallel": lambda s: prefixed(s, "module._orig_mod."),
    "compiled inside": lambda s: within(s, "_orig_mod"),
    "checkpointed inside": lambda s: within(s, "_checkpoint_wrapped_module"),
    "sharded inside": lambda s: prefixed(within(s, "_fsdp_wrapped_module"), "_fsdp_wrapped_module."),
    "Lightning with a criterion": lambda s: {
        "state_dict": prefixed(s, "model.") | {"criterion.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.5",
    },
    "averaged": averaged,
    "a backbone of a larger model": lambda s: prefixed(s, "encoder.net.") | {"decoder.weight": torch.ones(2)},
    "without a wrapper's prefix": lambda s: s,
    "half precision": lambda s: {k: v.half() for k, v in s.items()},
    "double precision": lambda s: {k: v.double() for k, v in s.items()},
    "a buffer that is gone": lambda s: s | {"head.position_ids": torch.arange(3)},
    "a mask that is gone": lambda s: s | {"layers.0.mask": torch.ones(2, 2, dtype=torch.bool)},
    "counters of a profiler": lambda s: s | {"head.total_ops": torch.zeros(1, dtype=torch.float64)},
}


@pytest.mark.parametrize("form", TAKEN)
def test_what_people_save_is_taken(form, tmp_path):
    state = net_state()
    model, notes = loaded(tmp_path, TAKEN[form](state))
    kept = {k: v.half().float() for k, v in state.items()} if form == "half precision" else state
    assert all(torch.equal(model.state_dict()[name], value) for name, value in kept.items())
    changed = form not in ("plain", "without a wrapper's prefix")
    assert bool(notes) == changed, notes


def test_a_model_that_wraps_what_was_saved_gets_the_prefix(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Net()

    state = net_state()
    model, notes = loaded(tmp_path, state, Wrapped())
    assert torch.equal(model.model.head.weight, state["head.weight"])
    assert notes == ["added the prefix 'model.' to the names of the weights"]


@pytest.mark.parametrize("keys", [("model", "ema"), ("params", "params_ema"), ("state_dict", "ema_state_dict")])
def test_of_several_that_fit_one_is_chosen_by_its_key(keys, tmp_path):
    first, second = net_state(1), net_state(2)
    value = dict(zip(keys, (first, second), strict=True))
    with pytest.raises(
        ModelError, match=rf"several sets .* fit: '{keys[0]}', '{keys[1]}'; choose one with --weights-key"
    ):
        loaded(tmp_path, value)
    model, notes = loaded(tmp_path, value, key=keys[1])
    assert torch.equal(model.head.weight, second["head.weight"])
    assert any(repr(keys[1]) in note for note in notes)
    with pytest.raises(ModelError, match=r"has no entry 'nope' with weights; its entries are: "):
        loaded(tmp_path, value, key="nope")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.lm_head = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.lm_head.weight = self.emb.weight


def test_a_shared_tensor_that_a_file_holds_once_is_taken(tmp_path):
    torch.manual_seed(5)
    saved = Tied()
    save_model(saved, str(tmp_path / "w.safetensors"))
    model = Tied()
    assert load_weights(model, str(tmp_path / "w.safetensors")) == []
    assert torch.equal(model.lm_head.weight, saved.emb.weight)
    untied = Tied()
    untied.lm_head.weight = nn.Parameter(torch.zeros(10, 8))
    with pytest.raises(ModelError, match=r"missing lm_head.weight|missing emb.weight"):
        load_weights(untied, str(tmp_path / "w.safetensors"))


class Counting(Net):
    def __init__(self):
        super().__init__()
        self.steps = 0

    def get_extra_state(self):
        return {"steps": self.steps}

    def set_extra_state(self, state):
        self.steps = state["steps"]


def test_extra_state_is_handed_on_and_may_be_missing(tmp_path):
    saved = Counting()
    saved.steps = 3
    model, notes = loaded(tmp_path, saved.state_dict(), Counting())
    assert (model.steps, notes) == (3, [])
    model, _ = loaded(tmp_path, Net().state_dict(), Counting())
    assert model.steps == 0


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_under_its_old_names_is_taken_as_torch_takes_it(tmp_path):
    torch.manual_seed(4)
    old = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 3))
    new = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 3))
    state = old.state_dict()
    assert "0.weight_g" in state
    loaded(tmp_path, prefixed(state, "module."), new)
    x = torch.randn(5, 4)
    torch.testing.assert_close(new(x), old(x))


REFUSED = {
    "integers": (
        lambda s: s | {"head.weight": torch.ones(3, 4, dtype=torch.int8)},
        r"head.weight holds int8, the model computes in float32; give the floating-point weights",
    ),
    "complex numbers": (lambda s: s | {"head.weight": torch.ones(3, 4) * 1j}, r"head.weight holds complex64"),
    "another width": (
        lambda s: s | {"head.weight": torch.ones(3, 9)},
        r"head.weight has shape \(3, 9\), the model expects \(3, 4\)",
    ),
    "a layer too few": (lambda s: {k: v for k, v in s.items() if "layers.1" not in k}, r"missing layers.1.weight"),
    "a layer too many": (lambda s: s | {"extra.weight": torch.ones(2)}, r"unexpected extra.weight"),
    "no tensor at all": (lambda s: {"epoch": 3, "args": {"lr": 0.1}}, r"holds no state_dict; save model.state_dict"),
    "only an optimizer": (
        lambda s: {"optimizer": {"state": {"a": {"exp_avg": torch.ones(1)}}}},
        r"does not fit the model: missing layers.0.weight",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_meant_is_refused_by_name(case, tmp_path):
    change, message = REFUSED[case]
    with pytest.raises(ModelError, match=message) as refused:
        loaded(tmp_path, change(net_state()))
    assert "\n" not in str(refused.value)


def exported(path):
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), path)


def torchscript(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(path))


def _numpy(write, path, *arrays, **named):
    with path.open("wb") as file:
        write(file, *arrays, **named)


FOREIGN = {
    "empty": (lambda p: p.write_bytes(b""), r"is empty"),
    "text": (lambda p: p.write_text("hello there\nfriend\n" * 40), r"is a text file, not weights; save model.state"),
    "page": (lambda p: p.write_text("<!DOCTYPE html><html></html>"), r"is a web page"),
    "pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid"), r"Git LFS pointer"),
    "numpy": (lambda p: _numpy(np.save, p, np.ones(3)), r"a single NumPy array"),
    "npz": (lambda p: _numpy(np.savez, p, x=np.ones(3)), r"is a NumPy archive"),
    "zip": (lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "b"), r"zip archive that torch.save did not write"),
    "torchscript": (torchscript, r"is a TorchScript archive, not weights; .* eager model"),
    "hdf5": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600)), r"HDF5 file \(Keras\)"),
    "gguf": (lambda p: p.write_bytes(b"GGUF" + bytes(600)), r"GGUF file of quantized weights"),
    "onnx": (
        lambda p: onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), p),
        r"is an ONNX model, not weights",
    ),
    "exported": (exported, r"is an exported program \(torch.export\), not weights"),
    "noise": (lambda p: p.write_bytes(bytes(range(0, 250, 3)) * 9), r"can't be read as weights"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_file_that_is_something_else_is_told_by_its_content(kind, name, tmp_path):
    write, message = FOREIGN[kind]
    written = tmp_path / ("w.pt2" if kind == "exported" else "written")
    write(written)
    written.rename(tmp_path / name)
    with pytest.raises(ModelError, match=message) as refused:
        load_weights(Net(), str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_weights_are_read_whatever_the_file_is_called(tmp_path):
    state = net_state()
    save_file(state, tmp_path / "named.pt")
    torch.save(state, tmp_path / "named.safetensors")
    torch.save(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    for name in ("named.pt", "named.safetensors", "old.bin"):
        model = Net()
        assert load_weights(model, str(tmp_path / name)) == []
        assert torch.equal(model.head.weight, state["head.weight"])


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_file_that_is_cut_short_says_so(name, tmp_path):
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(net_state(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=rf"{name} can't be read as weights, perhaps it is cut short"):
        load_weights(Net(), str(path))
