"""Models whose structure, inputs, outputs or side effects are hard."""

import random
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, features, images, sequences, tokens


def mlp():
    """Two linear layers."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES))


@animal()
class SharedModule(nn.Module):
    """One module called three times; one layer."""

    def __init__(self):
        super().__init__()
        self.block, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)
        self.alias = self.block

    def forward(self, x):
        return self.last(self.alias(torch.relu(self.block(torch.relu(self.block(x))))))


@animal(tokens, notes=("table and head share one weight",))
class TiedWeights(nn.Module):
    """A table of vectors whose transpose scores the words."""

    def __init__(self):
        super().__init__()
        self.table, self.middle, self.head = nn.Embedding(11, 8), nn.Linear(8, 8), nn.Linear(8, 11, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        return self.head(torch.tanh(self.middle(self.table(x).mean(1))))


@animal()
class Unused(nn.Module):
    """A layer that forward never calls, and one whose weight it reads."""

    def __init__(self):
        super().__init__()
        self.used, self.never, self.read = nn.Linear(FEATURES, 8), nn.Linear(3, 3), nn.Linear(8, CLASSES)

    def forward(self, x):
        return nn.functional.linear(self.used(x), self.read.weight)


def named(count: int, seed: int) -> Any:
    """Inputs by name."""
    x, y = features(count, seed)
    return {"first": x, "second": x.flip(1)}, y


@animal(named)
class DictInput(nn.Module):
    """Keyword inputs, keyword calls of the layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(FEATURES, CLASSES), nn.Linear(FEATURES, CLASSES)

    def forward(self, second, *, first):
        return self.a(input=first) * self.b(input=second)


@animal(lambda count, seed: ((features(count, seed)[0], tokens(count, seed)[0]), features(count, seed)[1]))
class TupleInput(nn.Module):
    """Two positional inputs, floats and integers."""

    def __init__(self):
        super().__init__()
        self.table, self.a = nn.Embedding(11, 3), nn.Linear(FEATURES + 3, CLASSES)

    def forward(self, x, words):
        return self.a(torch.cat([x, self.table(words).sum(1)], 1))


@dataclass
class Given:
    """An input as a dataclass."""

    x: torch.Tensor
    scale: torch.Tensor


@dataclass
class Scores:
    """An output as a dataclass, whose first tensor is not the one that counts."""

    hidden: torch.Tensor
    logits: torch.Tensor
    size: int = 3


@animal(lambda count, seed: (Given(features(count, seed)[0], features(count, 9)[0][:, :1]), features(count, seed)[1]))
class DataclassInput(nn.Module):
    """A dataclass in, dataclasses between modules, a dataclass out."""

    class Inner(nn.Module):
        """Hands on a dataclass."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(FEATURES, 8)

        def forward(self, given):
            return Given(self.linear(given.x), given.scale)

    def __init__(self):
        super().__init__()
        self.inner, self.last = self.Inner(), nn.Linear(8, CLASSES)

    def forward(self, given):
        found = self.inner(given)
        return Scores(found.x, self.last(found.x * found.scale))


Pair = namedtuple("Pair", "first second")


@animal()
class NestedOutputs(nn.Module):
    """Dictionaries, tuples and named tuples between modules and at the end."""

    class Inner(nn.Module):
        """Hands on a dictionary of a named tuple and a list."""

        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(FEATURES, 8), nn.Linear(FEATURES, 8)

        def forward(self, x):
            return {"pair": Pair(self.a(x), [self.b(x)]), "none": None}

    def __init__(self):
        super().__init__()
        self.inner, self.last = self.Inner(), nn.Linear(8, CLASSES)

    def forward(self, x):
        found = self.inner(x)
        return {"steps": 3, "scores": (self.last(found["pair"].first * found["pair"].second[0]),)}


@animal(tokens)
class IntegerInput(nn.Module):
    """Words only."""

    def __init__(self):
        super().__init__()
        self.table, self.last = nn.Embedding(11, 8, padding_idx=0), nn.Linear(8, CLASSES)

    def forward(self, words):
        return self.last(self.table(words).mean(1))


@animal()
class ControlFlow(nn.Module):
    """Another path, and another number of calls, for every batch."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.last = (nn.Linear(FEATURES, FEATURES) for _ in range(3))

    def forward(self, x):
        for _ in range(1 + int(x.sum().abs()) % 3):
            x = torch.tanh(self.a(x))
        if x.mean() > 0:
            x = self.b(x)
        return self.last(x)


@animal(notes=("took the model out of its DataParallel wrapper",), prepare=lambda model: model.module)
def Parallel():
    """A wrapper around the model."""
    return nn.DataParallel(mlp())


@animal()
class ParallelInside(nn.Module):
    """A wrapper around a part of the model."""

    def __init__(self):
        super().__init__()
        self.part, self.last = nn.DataParallel(nn.Linear(FEATURES, 8)), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(torch.relu(self.part(x)))


@animal(notes=("was in training mode",))
def LeftInTraining():
    """Dropout in training mode."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Dropout(0.5), nn.Linear(8, CLASSES)).train()


@animal(images, notes=("was in training mode",))
def BatchNormInTraining():
    """BatchNorm in training mode, with statistics of its own; before the convolution, so it can't be folded."""
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, CLASSES)).train()
    model[0].running_mean.normal_()
    return model


@animal(images)
class InPlace(nn.Module):
    """An in-place sum whose operand a convolution reads, and in-place activations."""

    def __init__(self):
        super().__init__()
        self.first, self.relu = nn.Conv2d(2, 4, 1), nn.ReLU(inplace=True)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1))
        self.shortcut, self.last = nn.Conv2d(4, 4, 1), nn.Linear(4, CLASSES)

    def forward(self, x):
        x = self.relu(self.first(x))
        y = self.body(x)
        x += 1
        y += self.shortcut(x)
        return self.last(self.relu(y).mean((2, 3)))


@animal()
class WritesItsInput(nn.Module):
    """The batch itself is changed."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        x *= 2
        y = self.first(x)
        x += y
        return self.last(x)


@animal()
class Views(nn.Module):
    """Views and identities that are written to."""

    def __init__(self):
        super().__init__()
        self.first, self.same, self.flat = nn.Linear(FEATURES, FEATURES), nn.Identity(), nn.Flatten()
        self.last = nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        y = self.first(x)
        flat = self.flat(y)
        self.same(y).mul_(2)
        y[:, 0] += 1
        return self.last(y + flat)


def varying(count: int, seed: int) -> Any:
    """A list of batches whose sequences have other lengths, and whose sizes differ too."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(5, 3), (4, 7), (5, 3), (count - 14, 2)]
    return [(torch.randn(n, length, FEATURES, generator=generator), torch.randint(0, 4, (n,))) for n, length in sizes]


@animal(varying)
class VariableLength(nn.Module):
    """Batches of sequences of any length."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).mean(1))


@animal(lambda count, seed: ((sequences(count, seed)[0], torch.arange(count) % 5 + 1), features(count, seed)[1]))
class PackedSequences(nn.Module):
    """Sequences packed on the way in and padded on the way out."""

    def __init__(self):
        super().__init__()
        self.lstm, self.last = nn.LSTM(FEATURES, 5, batch_first=True), nn.Linear(5, CLASSES)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, _ = self.lstm(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=5)
        return self.last(padded.sum(1))


@animal()
class RandomLayer(nn.Module):
    """Random numbers in a module of the prefix and in forward itself."""

    class Noise(nn.Module):
        """Adds noise in evaluation too."""

        def forward(self, x):
            return x + torch.rand_like(x)

    def __init__(self):
        super().__init__()
        self.noise, self.first, self.last = self.Noise(), nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(self.first(self.noise(x)) + torch.rand(1))


@animal()
class PythonRandom(nn.Module):
    """Skips a layer by Python's generator, and scales by NumPy's."""

    def __init__(self):
        super().__init__()
        self.first, self.maybe, self.last = (nn.Linear(FEATURES, FEATURES) for _ in range(3))

    def forward(self, x):
        import numpy as np

        x = self.first(x)
        if random.random() < 0.5:
            x = self.maybe(x)
        return self.last(x) * float(np.random.uniform(0.5, 2))


@animal()
class NoisyLinear(nn.Module):
    """A layer that draws random numbers itself."""

    class Linear(nn.Linear):
        """Multiplicative noise on its output."""

        def forward(self, x):
            return super().forward(x) * (1 + 0.1 * torch.randn(1))

    def __init__(self):
        super().__init__()
        self.first, self.last = self.Linear(FEATURES, 8), self.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


@animal()
def RootIsALayer():
    """No submodule at all."""
    return nn.Linear(FEATURES, CLASSES)


@animal(notes=("forward changes steps",))
class Counter(nn.Module):
    """A buffer that every forward changes, and an embedding that rescales what is looked up."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(FEATURES, CLASSES)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.steps += 1
        return self.linear(x) * self.steps


@animal()
def UserHooks():
    """Hooks of the user's that change inputs and outputs."""
    model = mlp()
    model[0].register_forward_pre_hook(lambda module, args: (args[0] * 1.5,))
    model[1].register_forward_hook(lambda module, args, output: output + 0.25)
    return model


@animal()
class Containers(nn.Module):
    """Module lists and dictionaries, called in another order than they stand in."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(3))
        self.heads = nn.ModuleDict({"a head": nn.Linear(FEATURES, CLASSES), "none": nn.Identity()})

    def forward(self, x):
        for step in reversed(self.steps):
            x = torch.tanh(step(x))
        return self.heads["a head"](self.heads["none"](x))


@animal()
class NestedLayer(nn.Module):
    """A layer that holds other layers (low-rank adapters): each is one of its own."""

    class Adapted(nn.Linear):
        """W·x + B·A·x."""

        def __init__(self):
            super().__init__(FEATURES, CLASSES)
            self.down, self.up = nn.Linear(FEATURES, 2, bias=False), nn.Linear(2, CLASSES, bias=False)

        def forward(self, x):
            return super().forward(x) + self.up(self.down(x))

    def __init__(self):
        super().__init__()
        self.adapted = self.Adapted()

    def forward(self, x):
        return self.adapted(x)


@animal(error=r"part is a TorchScript module and can't be looked into")
def Scripted():
    """A part that is compiled: an error that names it."""
    model = nn.Sequential()
    model.add_module("part", torch.jit.script(nn.Linear(FEATURES, CLASSES)))
    return model


@animal(error=r"Changeable: its weight is computed anew at each access")
class PropertyWeight(nn.Module):
    """A weight that a property computes can't be exchanged."""

    class Changeable(nn.Linear):
        """Symmetric by construction."""

        @property
        def weight(self):
            return self.part + self.part.T

        def forward(self, x):
            return nn.functional.linear(x, self.weight, self.bias)

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(FEATURES, FEATURES)
        self.part.part = nn.Parameter(self.part._parameters.pop("weight").detach())
        self.part.__class__ = self.Changeable

    def forward(self, x):
        return self.part(x)


def disjoint(count: int, seed: int) -> Any:
    """Evaluation samples are positive, calibration samples negative."""
    x, y = features(count, seed)
    return (x.abs() if seed == 1 else -x.abs()), y


@animal(disjoint, error=r"rare: it was not called during calibration, so its input has no range")
class NotCalibrated(nn.Module):
    """A layer that only evaluation samples reach."""

    def __init__(self):
        super().__init__()
        self.rare, self.last = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        return self.last(self.rare(x) if x.mean() > 0 else x)
