"""Models whose inputs and outputs are hard: trees of tensors, integers, other shapes from batch to batch."""

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from zoo import CLASSES, FEATURES, animal, features, sequences, tokens


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
    """An output as a dataclass, of which a part is judged."""

    hidden: torch.Tensor
    logits: torch.Tensor
    size: int = 3


@animal(
    lambda count, seed: (Given(features(count, seed)[0], features(count, 9)[0][:, :1]), features(count, seed)[1]),
    spec={"output": "logits"},
)
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
