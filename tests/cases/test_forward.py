"""What a forward is: state outside buffers, modes, exits, inputs; each right against a loop by hand, or one line."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from cli_helpers import qdash
from engine_helpers import sweep
from torch import nn

import qdash.sweep.prepare.workload as loading
from qdash.errors import InputError, ModelError

HEAD = """
import collections, sys, threading
import torch
from torch import nn

COUNTS = {"n": 0}

class Nested:
    def __init__(self):
        self.parts = {"mean": []}

class Net(nn.Module):
    calls = 0
    def __init__(self):
        super().__init__()
        self.enc, self.head = nn.Linear(8, 8), nn.Linear(8, 4)
        INIT

    def forward(self, x):
        y = torch.tanh(self.enc(x))
        mean = y.mean(0, keepdim=True)
        BODY

def model():
    torch.manual_seed(1)
    return Net()

def data():
    return DATA

def calibration():
    return data()[:8]
"""
DATA = "torch.randn(40, 8, generator=torch.Generator().manual_seed(2))"
RUN = {"mode": "weight_only", "observers": ("min_max",), "metric": "agreement", "batch_size": 16}
CALLABLES = {"model": "model", "data": "data", "calibration_data": "calibration"}
MIXED = "return self.head(y + s)"


@pytest.fixture
def situation(tmp_path):
    """Writes a model whose forward keeps something; returns the fields of a sweep."""

    def write(init="pass", body="return self.head(y)", data=DATA):
        text = HEAD.replace("INIT", init).replace("BODY", body.replace("\n", "\n        ")).replace("DATA", data)
        path = tmp_path / f"situation{len(list(tmp_path.iterdir()))}.py"  # a file is imported once
        path.write_text(text)
        names = {field: f"python:{path}:{name}" for field, name in CALLABLES.items()}
        return RUN | names

    return write


@pytest.fixture
def loaded(monkeypatch):
    """The models that sweeps load, each with a copy from before."""
    found, load = [], loading.load_model

    def remember(spec):
        model, notes = load(spec)
        found.append((model, copy.deepcopy(model)))
        return model, notes

    monkeypatch.setattr(loading, "load_model", remember)
    return found


STATES = {
    "tensor": ("self.kept = None", "s = mean if self.kept is None else 0.5 * self.kept + mean\nself.kept = s\n"),
    "written in place": ("self.kept = torch.zeros(1, 8)", "s = self.kept.add_(mean).clone()\n"),
    "through data": ("self.kept = torch.zeros(1, 8)", "self.kept.data.mul_(0.5).add_(mean)\ns = self.kept\n"),
    "number": ("self.kept = 0", "self.kept += 1\ns = 0.3 * self.kept * mean\n"),
    "new name": ("pass", "self.kept = getattr(self, 'kept', 0) + mean\ns = self.kept\n"),
    "list": ("self.kept = []", "self.kept.append(mean)\ns = sum(self.kept)\n"),
    "dict": ("self.kept = {}", "self.kept['m'] = self.kept.get('m', 0) + mean\ns = self.kept['m']\n"),
    "deque": ("self.kept = collections.deque(maxlen=3)", "self.kept.append(mean)\ns = sum(self.kept)\n"),
    "nested object": ("self.kept = Nested()", "self.kept.parts['mean'] += [mean]\ns = sum(self.kept.parts['mean'])\n"),
    "own generator": (
        "self.kept = torch.Generator().manual_seed(3)",
        "s = mean * torch.rand(1, 8, generator=self.kept)\n",
    ),
    "submodule": ("self.kept = []", "self.enc.seen = self.enc.__dict__.get('seen', 0) + 1\ns = self.enc.seen * mean\n"),
    "class": ("pass", "Net.calls += 1\ns = 0.3 * Net.calls * mean\n"),
    "file": ("pass", "COUNTS['n'] += 1\ns = 0.3 * COUNTS['n'] * mean\n"),
    "every third call": ("self.kept = 0", "self.kept += 1\ns = mean if self.kept % 3 == 0 else 0 * mean\n"),
}


@pytest.mark.parametrize("kind", STATES)
def test_state_outside_buffers_is_as_it_was_before_every_pass(kind, situation, loaded, tmp_path):
    init, body = STATES[kind]
    result = sweep(tmp_path, **situation(init, body + MIXED))
    model, before = loaded[0]
    assert [note for note in result["notes"] if note.startswith("forward changes ")], result["notes"]
    expected = _by_hand(before)
    for row in result["layers"]:
        assert row["model_output_sqnr_db"] == pytest.approx(expected[row["layer"]], abs=0.01), row["layer"]
    assert _plain(model) == _plain(before)


def test_state_that_flows_between_calls_of_one_pass_survives_the_replay(tmp_path, loaded):
    """A cell keeps what it saw at the step before; steps before the quantized layer are replayed."""
    path = tmp_path / "cell.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "class Cell(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.first, self.last = nn.Linear(8, 8), 0\n\n"
        "    def forward(self, x):\n        self.last = torch.tanh(self.first(x)) + 0.5 * self.last\n"
        "        return self.last.clone()\n\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.cell, self.head, self.tail = Cell(), nn.Linear(8, 8), nn.Linear(8, 4)\n\n"
        "    def forward(self, x):\n        y = self.head(self.cell(x))\n"
        "        return self.tail(y + self.cell.last + self.cell(y))\n\n\n"
        "def model():\n    torch.manual_seed(1)\n    return Net()\n\n\n"
        f"def data():\n    return {DATA}\n\n\ndef calibration():\n    return data()[:8]\n"
    )
    names = {field: f"python:{path}:{name}" for field, name in CALLABLES.items()}
    result = sweep(tmp_path, **RUN, **names, paranoid=True)
    expected = _by_hand(loaded[0][1])
    assert {row["layer"] for row in result["layers"]} == {"cell.first", "head", "tail"}
    for row in result["layers"]:
        assert row["model_output_sqnr_db"] == pytest.approx(expected[row["layer"]], abs=0.01), row["layer"]


@pytest.mark.parametrize(
    "body",
    [
        "with torch.inference_mode():\n    return self.head(y)",
        "with torch.enable_grad():\n    return self.head(y)",
        "torch.set_grad_enabled(True)\nreturn self.head(y)",
        "print('a word')\nreturn self.head(y)",
        "torch.set_default_dtype(torch.float64)\nreturn self.head(y)",
    ],
)
def test_modes_of_a_forward_change_nothing(body, situation, loaded, tmp_path):
    sweep(tmp_path, **situation())
    expected = _by_hand(loaded[0][1])
    result = sweep(tmp_path, **situation(body=body))
    for row in result["layers"]:
        assert row["model_output_sqnr_db"] == pytest.approx(expected[row["layer"]], abs=0.01)
    assert torch.get_default_dtype() == torch.float32
    assert not torch.is_inference_mode_enabled()


def test_a_module_that_stays_in_training_mode_is_evaluated(situation, tmp_path):
    stays = situation(
        "self.drop = nn.Dropout(0.5)\n        self.train = lambda mode=True: self", "return self.head(self.drop(y))"
    )
    plain = situation("self.drop = nn.Dropout(0.5)", "return self.head(self.drop(y))")
    assert _decibels(sweep(tmp_path, **stays)) == _decibels(sweep(tmp_path, **plain))


def test_training_mode_switched_on_by_forward_is_told(situation, loaded, tmp_path):
    notes = sweep(tmp_path, **situation(body="self.training = True\nreturn self.head(y)"))["notes"]
    assert any(note.startswith("forward switches the model between training") for note in notes)
    assert loaded[0][0].training == loaded[0][1].training


@pytest.mark.parametrize(
    ("init", "body", "message"),
    [
        ("pass", "sys.exit(0)", r"sys.exit\(0\)"),
        ("sys.exit(0)", "return y", r"failed with SystemExit: it ended the program"),
        ("pass", "raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        (
            "pass",
            "with torch.no_grad(): self.enc.weight.mul_(0.9)\nreturn self.head(y)",
            r"forward changes enc.weight, a weight that would be quantized",
        ),
        (
            "n = [0]\n        def count():\n            n[0] += 1\n            return n[0]\n        self.count = count",
            "return self.head(y * self.count())",
            "two FP32 forwards of one batch differ",
        ),
        (
            "pass",
            "out = []\nt = threading.Thread(target=lambda: out.append(self.head(y)))\n"
            "t.start(); t.join()\nreturn out[0]",
            "forward calls head in a thread of its own",
        ),
        ("self.fc = nn.Linear(8, 4, device='meta')", "return y", "fc .* on the meta device"),
        ("self.fc = nn.Linear(8, 4); self.fc.weight = nn.Parameter(self.fc.weight.to_sparse())", "return y", "sparse"),
        ("self.o = torch.ao.quantization.MinMaxObserver()", "return y", "o .* quantized or observed already"),
    ],
)
def test_what_cannot_be_right_is_one_line(init, body, message, situation, tmp_path):
    with pytest.raises(ModelError, match=message) as caught:
        sweep(tmp_path, **situation(init, body))
    assert "\n" not in str(caught.value)


def test_the_case_of_a_streaming_model(tmp_path):
    """Numbers of a check by hand: state reset before each forward."""
    path = tmp_path / "streaming.py"
    path.write_text(
        HEAD.replace("INIT", "self.state = None")
        .replace("BODY", "self.state = mean if self.state is None else 0.5 * (self.state + mean)\n        " + MIXED)
        .replace("y + s", "y + self.state")
        .replace("DATA", DATA.replace("40", "64"))
        + "\n\ndef others():\n    return torch.randn(32, 8, generator=torch.Generator().manual_seed(5))\n"
    )
    names = {f: f"python:{path}:{n}" for f, n in (CALLABLES | {"calibration_data": "others"}).items()}
    rows = sweep(tmp_path, **names, observers=("min_max",), metric="agreement")["layers"]
    assert {row["layer"]: round(row["model_output_sqnr_db"], 1) for row in rows} == {"enc": 28.8, "head": 41.0}


def test_an_exported_module_is_named(tmp_path, situation):
    fields = situation()
    (tmp_path / "exported.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef model():\n"
        "    return torch.export.export(nn.Linear(8, 4).eval(), (torch.zeros(16, 8),)).module()\n"
    )
    with pytest.raises(ModelError, match=r"exported module .* give the eager model"):
        sweep(tmp_path, **fields | {"model": f"python:{tmp_path}/exported.py:model"})


def test_complex_layers_are_skipped_with_a_reason(situation, tmp_path):
    init, body = "self.c = nn.Linear(5, 8, dtype=torch.complex64)", "return self.head(self.c(torch.fft.rfft(x)).abs())"
    result = sweep(tmp_path, **situation(init, body))
    (skipped,) = [entry for entry in result["coverage"]["skipped"] if entry["name"] == "c"]
    assert skipped["reason"] == "its weights are complex; they stay FP32"
    assert "head" in {row["layer"] for row in result["layers"]}


def test_lazy_layers_get_their_shapes_from_the_first_batch(situation, tmp_path):
    result = sweep(tmp_path, **situation("self.head = nn.LazyLinear(4)"))
    assert {row["layer"] for row in result["layers"]} == {"enc", "head"}
    assert any("head: lazy" in note for note in result["notes"])
    again = sweep(tmp_path, **situation("self.head = nn.LazyLinear(4)"))
    assert _decibels(again) == _decibels(result)


@pytest.mark.parametrize("dtype", ["double", "half"])
def test_floating_inputs_are_converted_and_said(dtype, situation, tmp_path):
    half = DATA + ".half().float()"
    expected = sweep(tmp_path, **situation(data=half if dtype == "half" else DATA))
    found = sweep(tmp_path, **situation(data=f"{DATA}.{dtype}()"))
    assert _decibels(found) == _decibels(expected)
    assert any("converted from float" in note for note in found["notes"])


def test_a_model_that_takes_one_sample_at_a_time(situation, tmp_path):
    fields = situation(body="assert len(x) == 1\nreturn self.head(y)") | {"batch_size": 1, "calibration_batch_size": 1}
    assert len(sweep(tmp_path, **fields)["layers"]) == 2


def test_infinities_of_a_mask_leave_the_other_operations_measured(situation, tmp_path):
    body = (
        "q, k = self.enc(x), y\nscores = q @ k.transpose(1, 2)\n"
        "mask = torch.full_like(scores, float('-inf')).triu(1)\n"
        "return self.head(((scores + mask).softmax(-1) @ x).mean(1))"
    )
    data = "torch.randn(40, 5, 8, generator=torch.Generator().manual_seed(2))"
    result = sweep(tmp_path, **situation(body=body, data=data) | {"mode": "static", "include": ("functional",)})
    assert {"(model)#matmul_1", "(model)#matmul_2"} <= {row["layer"] for row in result["layers"]}
    (left,) = [entry for entry in result["coverage"]["skipped"] if entry["name"] == "(model)#add_1"]
    assert left["reason"] == "one of its operands holds infinities, as a mask does; it stays FP32"


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "process"])
def test_standard_output_is_json_whatever_the_model_prints(executor, situation):
    words = "print('to Python'); import os; os.write(1, b'to the descriptor')\nreturn self.head(y)"
    fields = situation(body=words)
    options = ("--model", fields["model"], "--data", fields["data"], "--metric", "agreement", "--executor", executor)
    done = qdash("sweep", *options, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["layers"]
    assert "to the descriptor" in done.stderr


def test_samples_that_end_the_program_are_a_fault_of_the_data(situation, tmp_path):
    with pytest.raises(InputError, match="SystemExit"):
        sweep(tmp_path, **situation(data="sys.exit(0)"))


def _decibels(result):
    return {row["layer"]: row["model_output_sqnr_db"] for row in result["layers"]}


def _by_hand(model):
    """Layer → SQNR in dB with 8-bit weights: full forwards, each of a fresh copy."""
    x = torch.randn(40, 8, generator=torch.Generator().manual_seed(2))
    order = torch.from_numpy(np.random.default_rng(0).permutation(40))
    batches = [x[group] for group in order.split(16)]
    expected = [_fresh(model)(batch) for batch in batches]
    found = {}
    for name in (name for name, module in model.named_modules() if isinstance(module, nn.Linear)):
        quantized = [_fresh(model, name)(batch) for batch in batches]
        pairs = zip(expected, quantized, strict=True)
        noise = sum(float((a.double() - b.double()).square().sum()) for a, b in pairs)
        found[name] = 10 * math.log10(sum(float(a.double().square().sum()) for a in expected) / noise)
    return found


def _fresh(model, layer=None):
    made = copy.deepcopy(model).eval().requires_grad_(False)
    scope = type(made).forward.__globals__
    scope.get("COUNTS", {}).update(n=0)
    if "calls" in vars(type(made)):
        type(made).calls = 0
    if layer is not None:
        weight = made.get_submodule(layer).weight
        scale = weight.abs().amax(1, keepdim=True) / 127
        weight.copy_((weight / scale).round() * scale)
    return made


def _plain(model):
    names = ("kept", "seen", "training", "calls", "last")
    found = {(path, n): vars(m)[n] for path, m in model.named_modules() for n in names if n in vars(m)}
    return {
        key: repr(getattr(value, "__dict__", value)) for key, value in found.items() if "Generator" not in repr(value)
    }
