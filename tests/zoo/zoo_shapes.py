"""Models whose structure is hard: shared, tied, unused, nested, branching, scripted."""

from typing import Any

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, features, images, tokens


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


@animal()
def RootIsALayer():
    """No submodule at all."""
    return nn.Linear(FEATURES, CLASSES)


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


@animal(error=r"part \(RecursiveScriptModule\) is a TorchScript module")
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


@animal()
def UserHooks():
    """Hooks of the user's that change inputs and outputs."""
    model = mlp()
    model[0].register_forward_pre_hook(lambda module, args: (args[0] * 1.5,))
    model[1].register_forward_hook(lambda module, args, output: output + 0.25)
    return model
