"""Replay gives the bits of a full forward, whatever the model writes in place."""

import pytest
import torch
from torch import nn

from qdash.engine.tape.replay import Recorder
from qdash.errors import ModelError
from qdash.instrument.calls import Instrument


class InPlaceShortcut(nn.Module):
    """An in-place add followed by a convolution in the shortcut, and in-place ReLUs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1))
        self.shortcut = nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(4, 5)

    def forward(self, x):
        x = self.relu(self.first(x))
        y = self.body(x)
        x += 1  # what `body` returned lasts, its input doesn't
        y += self.shortcut(x)
        return self.last(self.relu(y).mean((2, 3)))


class Aliases(nn.Module):
    """Views and identities of a tensor that is written to afterwards."""

    def __init__(self):
        super().__init__()
        self.first, self.same, self.flat = nn.Linear(4, 4), nn.Identity(), nn.Flatten()
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        y = self.first(x)
        same = self.same(y)
        flat = self.flat(y)
        same.mul_(2)
        return self.last(y + flat)


class WritesIntoItsInput(nn.Module):
    """The batch itself is changed, inside a module and outside."""

    class Shift(nn.Module):
        def forward(self, x):
            x.add_(1)
            return x.sum(1, keepdim=True)

    def __init__(self):
        super().__init__()
        self.shift, self.first, self.last = self.Shift(), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        total = self.shift(x)
        x *= 2
        return self.last(self.first(x) + total)


class Draws(nn.Module):
    """Random numbers inside a module of the prefix and after it."""

    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.rand_like(x)

    def __init__(self):
        super().__init__()
        self.noise, self.first, self.last = self.Noise(), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.first(self.noise(x)) + torch.rand(1))


class Shared(nn.Module):
    """One module called three times, and a container called twice."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.block(self.block(x)) + self.block[0](x))


MODELS = {
    "in-place shortcut": (InPlaceShortcut, (2, 3, 4, 4)),
    "aliases": (Aliases, (3, 4)),
    "writes into its input": (WritesIntoItsInput, (3, 4)),
    "draws": (Draws, (3, 4)),
    "shared": (Shared, (3, 4)),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_stop_gives_the_bits_of_a_full_forward(name):
    build, shape = MODELS[name]
    torch.manual_seed(0)
    model, x = build().eval(), torch.randn(shape)
    torch.manual_seed(5)
    with torch.no_grad():
        expected = model(x.clone())
    with Instrument(model) as instrument:
        recorder = Recorder(instrument)
        torch.manual_seed(5)
        tape = recorder.record((x,), {})
        assert torch.equal(tape.output, expected)
        for stop in range(len(tape.slots) + 1):
            assert torch.equal(recorder.replay(tape, stop, (x,), {}), expected), f"stop {stop}"


@pytest.mark.parametrize("keeps_all", [True, False], ids=["all kept", "layers kept"])
@pytest.mark.parametrize("name", MODELS)
def test_a_changed_layer_gives_the_bits_of_a_full_forward(name, keeps_all):
    build, shape = MODELS[name]
    torch.manual_seed(0)
    model, x = build().eval(), torch.randn(shape)
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    with Instrument(model) as instrument:
        recorder = Recorder(instrument, None if keeps_all else frozenset(layers))
        torch.manual_seed(5)
        tape = recorder.record((x,), {})
        for layer in layers:
            override = {layer: lambda forward, args, kwargs: forward(*args, **kwargs) * 1.25}
            with instrument.overriding(override):
                replayed = recorder.replay(tape, tape.calls[layer][0], (x,), {})
                full = recorder.run((x,), {})
            assert torch.equal(replayed, full), layer


def test_the_model_and_the_input_stay_as_they_were():
    model, x = InPlaceShortcut().eval(), torch.randn(2, 3, 4, 4)
    before, original = {k: v.clone() for k, v in model.state_dict().items()}, x.clone()
    with Instrument(model) as instrument:
        recorder = Recorder(instrument)
        tape = recorder.record((x,), {})
        recorder.replay(tape, 3, (x,), {})
    assert torch.equal(x, original)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any("forward" in vars(m) for m in model.modules())


def test_a_model_that_takes_another_path_is_told_and_names_the_call():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.calls = nn.Linear(2, 2), nn.Linear(2, 2), 0

        def forward(self, x):
            self.calls += 1
            return self.b(self.a(x)) if self.calls % 2 else self.a(self.b(x))

    with Instrument(Counts()) as instrument:
        recorder = Recorder(instrument)
        tape = recorder.record((torch.ones(1, 2),), {})
        with pytest.raises(ModelError, match=r"does not repeat its calls: a was called first and now b"):
            recorder.replay(tape, tape.calls["b"][0], (torch.ones(1, 2),), {})


def test_a_buffer_that_forward_changes_is_restored_and_said():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x):
            self.steps += 1
            return self.linear(x) * self.steps

    model, x = Steps(), torch.ones(1, 2)
    with Instrument(model) as instrument:
        first, second = instrument.run((x,), {}), instrument.run((x,), {})
        assert torch.equal(first, second)
        assert any("steps" in note for note in instrument.notes)
    assert model.steps.item() == 0


def test_only_what_a_replay_hands_back_is_held():
    block = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Dropout(0.0))
    model = nn.Sequential(block, nn.Linear(2, 2), nn.Softmax(1)).eval()
    layers = ("0.0", "0.2", "1")
    with Instrument(model) as instrument:
        recorders = Recorder(instrument, frozenset(layers)), Recorder(instrument)
        tape, whole = (recorder.record((torch.ones(1, 2),), {}) for recorder in recorders)
        ran = {layer: _called(instrument, recorders[0], tape, layer) for layer in layers}
        assert ran == {layer: _called(instrument, recorders[1], whole, layer) for layer in layers}
    dropped = {slot.name for slot in tape.slots if not slot.kept}
    assert dropped == {"0.3", "0.4", "2"}
    assert all(slot.output is None for slot in tape.slots if slot.name in dropped)
    assert all(slot.kept for slot in whole.slots)


def _called(instrument, recorder, tape, layer):
    """Names of the modules that a replay from the layer's first call runs."""
    names = []
    instrument.count = lambda name, args, kwargs, output: names.append(name) or 0.0
    recorder.replay(tape, tape.calls[layer][0], (torch.ones(1, 2),), {})
    instrument.count = None
    return names


def test_work_from_counts_what_a_replay_executes():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 2))
    with Instrument(model) as instrument:
        instrument.count = lambda name, args, kwargs, output: 1.0 if name in ("0.0", "0.1", "1") else 0.0
        recorder = Recorder(instrument)
        tape = recorder.record((torch.ones(1, 2),), {})
        for layer in ("0.0", "0.1", "1"):
            before = instrument.executed_macs
            recorder.replay(tape, tape.calls[layer][0], (torch.ones(1, 2),), {})
            assert instrument.executed_macs - before == tape.work_from(tape.calls[layer][0])
    assert [tape.work_from(tape.calls[n][0]) for n in ("0.0", "0.1", "1")] == [3.0, 2.0, 1.0]
