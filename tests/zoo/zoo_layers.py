"""Models with every kind of layer."""

from typing import Any, ClassVar

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, images, sequences, tokens

from qdash.layers.base import REGISTRY, LayerKind


def volumes(count: int, seed: int) -> Any:
    """(count, 2, 4, 4, 4)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 4, 4, 4, generator=generator), torch.zeros(count, dtype=torch.long)


@animal(volumes)
def Convolution3d():
    """nn.Conv3d, grouped."""
    return nn.Sequential(nn.Conv3d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(32, CLASSES))


@animal(sequences)
def Convolution1d():
    """nn.Conv1d, dilated, circular padding."""
    layers = nn.Conv1d(5, 6, 2, dilation=2, padding=1, padding_mode="circular"), nn.Flatten(), nn.LazyLinear(CLASSES)
    model = nn.Sequential(*layers)
    model(torch.zeros(1, 5, FEATURES))
    return model


@animal(images, notes=())
def Transposed2d():
    """Grouped nn.ConvTranspose2d with a BatchNorm that stays."""
    model = nn.Sequential(
        nn.ConvTranspose2d(2, 4, 3, stride=2, groups=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(676, CLASSES)
    )
    model[1].running_mean.normal_()
    return model


@animal(sequences)
def Transposed1d():
    """nn.ConvTranspose1d."""
    return nn.Sequential(nn.ConvTranspose1d(5, 3, 2), nn.Flatten(), nn.Linear(21, CLASSES))


@animal(volumes)
def Transposed3d():
    """Depthwise nn.ConvTranspose3d."""
    return nn.Sequential(nn.ConvTranspose3d(2, 2, 2, groups=2), nn.Flatten(), nn.Linear(250, CLASSES))


@animal(images)
def Depthwise():
    """Depthwise and pointwise convolutions with BatchNorms that are folded, channels last."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, CLASSES),
    )
    for norm in (model[1], model[4]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model.to(memory_format=torch.channels_last)


@animal(tokens)
class Bag(nn.Module):
    """nn.EmbeddingBag with weights for its words, and an nn.Embedding that rescales."""

    def __init__(self):
        super().__init__()
        self.bag, self.table = nn.EmbeddingBag(11, 8, mode="sum"), nn.Embedding(11, 8, max_norm=1.0)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, words):
        return self.last(self.bag(words, per_sample_weights=torch.ones(words.shape) / 5) + self.table(words[:, 0]))


class LastStep(nn.Module):
    """A recurrent layer and a linear one on its last output."""

    def __init__(self, layer: nn.Module, width: int):
        super().__init__()
        self.layer, self.last = layer, nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.last(self.layer(x)[0][:, -1])


@animal(sequences)
def Lstm():
    """Two layers, both directions, a projection."""
    return LastStep(nn.LSTM(FEATURES, 6, num_layers=2, bidirectional=True, proj_size=3, batch_first=True), 6)


@animal(sequences)
def Gru():
    """Two layers."""
    return LastStep(nn.GRU(FEATURES, 5, num_layers=2, batch_first=True), 5)


@animal(sequences)
def Rnn():
    """ReLU, no bias."""
    return LastStep(nn.RNN(FEATURES, 5, nonlinearity="relu", bias=False, batch_first=True), 5)


@animal(sequences)
class Cells(nn.Module):
    """A GRU cell called once for each step."""

    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.GRUCell(FEATURES, 5), nn.Linear(5, CLASSES)

    def forward(self, x):
        state = x.new_zeros(len(x), 5)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.last(state)


@animal(sequences)
class SelfAttention(nn.Module):
    """Packed projections, the fused kernel, and the weights of attention."""

    def __init__(self):
        super().__init__()
        self.attention, self.last = nn.MultiheadAttention(FEATURES, 2, batch_first=True), nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        x = self.attention(x, x, x, need_weights=False)[0]
        output, weights = self.attention(x, x, x)
        return self.last((output * weights.mean(2, keepdim=True)).mean(1))


@animal(sequences)
class CrossAttention(nn.Module):
    """Separate projections, keyword inputs, biases of keys and values, another sequence."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=FEATURES, vdim=3, add_bias_kv=True)
        self.query, self.last = nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = x.transpose(0, 1)
        output, _ = self.attention(query=self.query(x[:2]), key=x, value=x[..., :3])
        return self.last(output.mean(0))


@animal(sequences)
class Encoder(nn.Module):
    """nn.TransformerEncoder with a padding mask: its fused kernels would pass every layer by."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(FEATURES, 2, 8, batch_first=True)
        self.encoder, self.last = nn.TransformerEncoder(layer, 2), nn.Linear(FEATURES, CLASSES)

    def forward(self, x):
        mask = torch.zeros(x.shape[:2], dtype=torch.bool)
        mask[:, -1] = True
        return self.last(self.encoder(x, src_key_padding_mask=mask)[:, 0])


class Conv1D(nn.Module):
    """As in Hugging Face's transformers.pytorch_utils (GPT-2): weight (inputs, outputs)."""

    def __init__(self, nf: int, nx: int):
        super().__init__()
        self.nf, self.weight, self.bias = nf, nn.Parameter(torch.randn(nx, nf) / 3), nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        size_out = (*x.size()[:-1], self.nf)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size_out)


Conv1D.__module__ = "transformers.pytorch_utils"


@animal(sequences)
def TransformersConv1D():
    """Hugging Face's transposed linear layer."""
    return nn.Sequential(Conv1D(8, FEATURES), nn.Flatten(), nn.Linear(40, CLASSES))


class LowRank(nn.Module):
    """A module of the user's own: U·V·x."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.u, self.v = nn.Parameter(torch.randn(outputs, 3)), nn.Parameter(torch.randn(3, inputs))

    def forward(self, x):
        return nn.functional.linear(nn.functional.linear(x, self.v), self.u)


@REGISTRY.register("zoo_low_rank")
class LowRankKind(LayerKind):
    """Two factors; registered by the file that defines the model, as a user would do it."""

    note: ClassVar[str] = "the vector between the two factors stays FP32"

    def module_types(self) -> tuple[type, ...]:
        return (LowRank,)

    def weights(self, module: nn.Module) -> dict[str, int]:
        return {"u": 0, "v": 0}

    def macs(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> int:
        return len(args[0]) * (module.u.numel() + module.v.numel())


@animal()
def UserKind():
    """A kind that is registered by the file that defines the model."""
    return nn.Sequential(LowRank(FEATURES, 8), nn.ReLU(), LowRank(8, CLASSES))
