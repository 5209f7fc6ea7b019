"""A model whose work is done by functional operations, with a place to quantize the operands of each by hand."""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, TOKENS, CLASSES = 8, 5, 3


class Attention(nn.Module):
    """Two matrix products with a softmax between them; `hands` changes the operands of the named ones."""

    def __init__(self):
        super().__init__()
        self.project, self.hands = nn.Linear(WIDTH, 3 * WIDTH), {}

    def matmul(self, number, a, b):
        return self.hands[number](a) @ self.hands[-number](b) if number in self.hands else a @ b

    def forward(self, x):
        q, k, v = self.project(x).chunk(3, -1)
        weights = self.matmul(1, q, k.transpose(-2, -1)).softmax(-1)
        return self.matmul(2, weights, v)


class Model(nn.Module):
    """A residual sum in place, one that is not, a called F.linear, scaled_dot_product_attention."""

    def __init__(self):
        super().__init__()
        self.attention, self.norm = Attention(), nn.LayerNorm(WIDTH)
        self.weight = nn.Parameter(torch.randn(CLASSES, WIDTH))

    def forward(self, x):
        y = self.attention(x)
        y += x
        z = self.norm(y) + x
        z = F.scaled_dot_product_attention(z, z, z) + 1
        return F.linear(z.mean(1), self.weight)


class Fused(nn.Module):
    """nn.MultiheadAttention, whose products happen inside of it."""

    def __init__(self):
        super().__init__()
        self.attention, self.last = nn.MultiheadAttention(WIDTH, 2, batch_first=True), nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        return self.last(self.attention(x, x, x)[0].mean(1) + x.mean(1))


def build():
    """Always the same weights."""
    torch.manual_seed(3)
    return Model()


def build_fused():
    """Always the same weights."""
    torch.manual_seed(3)
    return Fused()


def samples():
    """Evaluation samples."""
    return torch.randn(16, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1)), torch.arange(16) % CLASSES


def calibration():
    """Calibration samples."""
    return torch.randn(16, TOKENS, WIDTH, generator=torch.Generator().manual_seed(2)), torch.arange(16) % CLASSES
