"""Layers that are more than their class says: computed weights, products beside their own, stacked recurrence."""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, OUTPUTS, RANK = 8, 4, 2


class StdConv(nn.Conv2d):
    """Weight standardisation, of BiT and NFNet."""

    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Standardised(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.o = StdConv(4, 8, 3, padding=1), nn.Linear(8, 4)
        with torch.no_grad():
            self.c.weight.add_(2.0)

    def forward(self, x):
        return self.o(torch.relu(self.c(x)).mean((2, 3)))


class Normalised(nn.Linear):
    def forward(self, x):
        return F.linear(x, F.normalize(self.weight), self.bias)


class Masked(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("mask", (torch.rand(self.weight.shape) > 0.5).float())

    def forward(self, x):
        return x @ (self.weight * self.mask * 3).T + self.bias


class Clamped(nn.ConvTranspose2d):
    """Its channels lie along axis 1."""

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight.clamp(-0.1, 0.1), self.bias)


class Merged(nn.Linear):
    """LoRA in the weight."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.A, self.B = nn.Parameter(torch.randn(RANK, inputs)), nn.Parameter(torch.randn(outputs, RANK))

    def forward(self, x):
        return F.linear(x, self.weight + self.B @ self.A, self.bias)


class Gated(nn.Linear):
    """A weight that hangs on the input."""

    def forward(self, x):
        return F.linear(x, self.weight * torch.sigmoid(x.mean()), self.bias)


class Plain(nn.Linear):
    """A forward of its own that uses the weight as it stands."""

    def forward(self, x):
        return x @ self.weight.T + self.bias


class LoRA(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.A, self.B = nn.Parameter(torch.randn(RANK, inputs)), nn.Parameter(torch.randn(outputs, RANK))

    def forward(self, x):
        return super().forward(x) + (x @ self.A.T) @ self.B.T


class FunctionalLoRA(LoRA):
    def forward(self, x):
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.A), self.B)


class Adapted(nn.LSTM):
    """A recurrent layer with a low-rank product on its output."""

    def __init__(self, inputs, outputs, **options):
        super().__init__(inputs, outputs, **options)
        self.A, self.B = nn.Parameter(torch.randn(RANK, outputs)), nn.Parameter(torch.randn(outputs, RANK))

    def forward(self, x):
        found, state = super().forward(x)
        return found + found @ self.A.T @ self.B.T, state


class Stacked(nn.Module):
    """The output of a recurrent layer's last step."""

    def __init__(self, kind=nn.LSTM, **options):
        super().__init__()
        self.lstm = kind(WIDTH, 6, batch_first=True, **options)
        self.last = nn.Linear(self.lstm(torch.zeros(1, 1, WIDTH))[0].shape[-1], OUTPUTS)

    def forward(self, x):
        return self.last(self.lstm(x)[0][:, -1])


def standardised():
    torch.manual_seed(1)
    return Standardised()


def clamped():
    torch.manual_seed(1)
    return nn.Sequential(Clamped(4, 3, 3), nn.Flatten(), nn.Linear(300, OUTPUTS))


def images():
    return torch.randn(24, 4, 8, 8, generator=torch.Generator().manual_seed(2))


def image_calibration():
    return torch.randn(16, 4, 8, 8, generator=torch.Generator().manual_seed(5))


def rows():
    return torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(2))


def row_calibration():
    return torch.randn(32, WIDTH, generator=torch.Generator().manual_seed(5))


def sequences():
    return torch.randn(32, 5, WIDTH, generator=torch.Generator().manual_seed(2))


def sequence_calibration():
    return torch.randn(16, 5, WIDTH, generator=torch.Generator().manual_seed(5))


def sequential(layer):
    torch.manual_seed(1)
    return nn.Sequential(layer(WIDTH, 16), nn.ReLU(), nn.Linear(16, OUTPUTS))


def normalised():
    return sequential(Normalised)


def masked():
    return sequential(Masked)


def merged():
    return sequential(Merged)


def gated():
    return sequential(Gated)


def plain():
    return sequential(Plain)


def lora():
    return sequential(LoRA)


def functional_lora():
    return sequential(FunctionalLoRA)


def lstm():
    torch.manual_seed(1)
    return Stacked(num_layers=2, bidirectional=True)


def adapted():
    torch.manual_seed(1)
    return Stacked(Adapted, num_layers=2)


def gru():
    torch.manual_seed(1)
    return Stacked(nn.GRU, num_layers=3)


def single():
    torch.manual_seed(1)
    return Stacked(nn.RNN)
