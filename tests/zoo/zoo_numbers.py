"""Models whose numbers are hard: half precision, empty, constant, huge, not finite."""

from typing import Any

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, features, images


def halved(dtype: torch.dtype) -> Any:
    """Samples in half precision."""
    return lambda count, seed: (features(count, seed)[0].to(dtype), features(count, seed)[1])


@animal(halved(torch.float16))
def HalfPrecision():
    """float16 weights and inputs."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES)).half()


@animal(halved(torch.bfloat16))
def BrainFloat():
    """bfloat16 weights and inputs."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES)).bfloat16()


@animal()
def DeadChannels():
    """Outputs whose weights are all zero, and a layer that is all zero."""
    model = nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, CLASSES))
    with torch.no_grad():
        model[0].weight[::2] = 0
        model[2].weight.zero_()
    return model


@animal(lambda count, seed: (torch.zeros(count, FEATURES), torch.zeros(count, dtype=torch.long)))
def ZeroInput():
    """Every input is zero."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES))


@animal(lambda count, seed: (torch.full((count, FEATURES), -3.25), torch.zeros(count, dtype=torch.long)))
def ConstantInput():
    """Every input is one negative number."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES))


@animal()
def HugeWeight():
    """One weight of 1e30."""
    model = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, CLASSES))
    with torch.no_grad():
        model[0].weight[0, 0] = 1e30
    return model


def spiked(count: int, seed: int) -> Any:
    """One value of 1e30 in each set."""
    x, y = features(count, seed)
    x[3, 2] = 1e30
    return x, y


@animal(spiked)
def HugeInput():
    """One input of 1e30: every other one rounds to zero."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES))


@animal()
class Empty(nn.Module):
    """A layer that is given no rows, and a layer without inputs."""

    def __init__(self):
        super().__init__()
        self.first, self.none, self.last = nn.Linear(FEATURES, 8), nn.Linear(8, 3), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.first(x)
        return self.last(x) + self.none(x[:0]).sum()


@animal(images)
class Strided(nn.Module):
    """Inputs and weights that are not contiguous, in several memory formats."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last)
        self.linear, self.last = nn.Linear(4, 4), nn.Linear(4, CLASSES)
        self.linear.weight = nn.Parameter(torch.randn(4, 4).t())

    def forward(self, x):
        y = self.conv(x.transpose(2, 3)).to(memory_format=torch.channels_last)
        return self.last(self.linear(y.permute(0, 2, 3, 1)).mean((1, 2)).expand(3, -1, -1)[0])


@animal(non_finite="first")
class DividesByZero(nn.Module):
    """Quantized, a small number becomes zero and its reciprocal infinite."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 8, bias=False), nn.Linear(8, CLASSES)
        with torch.no_grad():
            self.first.weight[:] = 1e-4
            self.first.weight[:, 0] = 100.0

    def forward(self, x):
        rest = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:].abs() + 1], 1)
        return self.last(1 / self.first(rest))


@animal(halved(torch.float16), non_finite="first", spec={"weight_formats": ("int4",)})
class Overflows(nn.Module):
    """Close to the largest float16; rounding up goes over it."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 8, bias=False).half(), nn.Linear(8, CLASSES).half()
        with torch.no_grad():
            self.first.weight[:] = 8621.0
            self.first.weight[:, 0] = 17000.0

    def forward(self, x):
        y = self.first(torch.ones_like(x))
        return self.last(y / 65504)
