"""A model, samples and labels so small that a sweep of them takes a fraction of a second; called by `python:` texts."""

import torch
from torch import Tensor, nn

MODEL, DATA = "python:qdash.testing.tiny:model", "python:qdash.testing.tiny:samples"
SAMPLES, CLASSES = 24, 5
LAYERS = ("conv", "last")


class Tiny(nn.Module):
    """A convolution, a BatchNorm to be folded, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(samples, 1, 6, 6) → logits (samples, classes)."""
        logits: Tensor = self.last(self.norm(self.conv(x)).relu().flatten(1))
        return logits


def model() -> nn.Module:
    """Always the same weights, whatever was drawn before."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tiny().eval()


def samples() -> tuple[Tensor, Tensor]:
    """Inputs, and labels that the model often gets right."""
    x = torch.randn(SAMPLES, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        target = model()(x).argmax(1)
    target[::4] = 0
    return x, target
