"""Models whose forward does more than compute: it writes in place, draws numbers, counts, has hooks."""

import random

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, images


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
