"""A chain of residual linear layers of any length, and samples for it; sizes come from the environment."""

import os

import torch
from torch import Tensor, nn

LAYERS_VARIABLE, SAMPLES_VARIABLE = "QDASH_BENCHMARK_LAYERS", "QDASH_BENCHMARK_SAMPLES"
WIDTH, CLASSES = 64, 10


class Step(nn.Module):
    """x + ReLU(Wx + b)/length: outputs stay of one size at any length."""

    def __init__(self, length: int):
        super().__init__()
        self.linear, self.relu, self.length = nn.Linear(WIDTH, WIDTH), nn.ReLU(), length

    def forward(self, x: Tensor) -> Tensor:
        return x + self.relu(self.linear(x)) / self.length


def model() -> nn.Module:
    """As many layers with weights as the environment says: (n, 64) → logits (n, 10)."""
    length = int(os.environ[LAYERS_VARIABLE])
    torch.manual_seed(0)
    return nn.Sequential(*(Step(length) for _ in range(length - 1)), nn.Linear(WIDTH, CLASSES))


def samples() -> tuple[Tensor, Tensor]:
    """As many as the environment says, seeded; the labels mean nothing."""
    count, generator = int(os.environ[SAMPLES_VARIABLE]), torch.Generator().manual_seed(1)
    return torch.randn(count, WIDTH, generator=generator), torch.randint(CLASSES, (count,), generator=generator)
