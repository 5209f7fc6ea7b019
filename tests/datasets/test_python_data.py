"""What users' callables return: arrays, lists, dictionaries, data sets and iterables of every kind, or one line."""

import itertools
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from qdash.datasets.python import _samples
from qdash.errors import DataError
from qdash.tensors import streams

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3
TX, TY = torch.from_numpy(X), torch.from_numpy(Y)


class Items(Dataset):
    """A data set over a function of the index."""

    def __init__(self, item, length=12):
        self.item, self.length = item, length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return self.item(i)


class Streaming(IterableDataset):
    def __iter__(self):
        return ((TX[i], int(Y[i])) for i in range(12))


def batches(size=5):
    return [(TX[i : i + size], TY[i : i + size]) for i in range(0, 12, size)]


TAKEN = {
    "tensors": lambda: (TX, TY),
    "arrays": lambda: (X, Y),
    "an array and a tensor": lambda: (X, TY),
    "lists of numbers": lambda: (X.tolist(), Y.tolist()),
    "a list of arrays": lambda: (list(X), list(Y)),
    "labels of uint16": lambda: (X, Y.astype(np.uint16)),
    "labels of uint32": lambda: (X, torch.from_numpy(Y).to(torch.uint32)),
    "labels of uint64": lambda: (X, Y.astype(np.uint64)),
    "labels of int8": lambda: (X, Y.astype(np.int8)),
    "big-endian": lambda: (X.astype(">f4"), Y.astype(">i2")),
    "reversed": lambda: (X[::-1][::-1], Y[::-1][::-1]),
    "read only": lambda: (np.broadcast_to(X, X.shape), Y),
    "a dictionary": lambda: {"x": X, "y": Y},
    "a dictionary with labels": lambda: {"x": X, "labels": Y},
    "a data set of pairs": lambda: Items(lambda i: (X[i], int(Y[i]))),
    "a data set of lists": lambda: Items(lambda i: [X[i], Y[i]]),
    "a data set of dictionaries": lambda: Items(lambda i: {"x": X[i], "labels": int(Y[i])}),
    "a list of samples": lambda: [(X[i], int(Y[i])) for i in range(12)],
    "a list of batches": batches,
    "batches of arrays": lambda: [(x.numpy(), y.numpy()) for x, y in batches()],
    "batches of lists": lambda: [[x.tolist(), y.tolist()] for x, y in batches()],
    "batches of dictionaries": lambda: [{"x": x, "labels": y} for x, y in batches()],
    "a generator": lambda: iter(batches()),
    "a loader": lambda: DataLoader(TensorDataset(TX, TY), batch_size=5),
    "an iterable data set": Streaming,
}


@pytest.mark.parametrize("form", TAKEN)
def test_it_is_taken(form):
    samples = _samples(TAKEN[form](), "it")
    assert len(samples) == 12
    batch = samples.batch([0, 3, 4])
    (x,) = batch.args or batch.kwargs.values()
    assert torch.equal(x.float(), TX[[0, 3, 4]])
    assert batch.target.dtype == torch.int64
    assert torch.equal(batch.target, TY[[0, 3, 4]])


def test_inputs_without_labels_and_several_inputs():
    assert _samples(TX, "it").batch([1]).target is None
    assert _samples(X, "it").batch([1]).target is None
    only = _samples(TensorDataset(TX), "it").batch([1, 2])
    assert len(only.args) == 1
    assert torch.equal(only.args[0], TX[1:3])
    two = _samples(((X, X[:, :2]), Y), "it").batch([0])
    assert [tuple(a.shape) for a in two.args] == [(1, 4), (1, 2)]
    assert _samples(TensorDataset(TX, TX, TX), "it").batch([0]).target is None


def test_labels_among_the_inputs_are_said():
    samples = _samples(TAKEN["a data set of dictionaries"](), "it")
    assert samples.notes == ("it: 'labels' of every sample is its label, not an input",)
    assert set(samples.batch([0]).kwargs) == {"x"}


def test_an_endless_iterable_is_read_up_to_a_limit_and_that_is_said(monkeypatch):
    monkeypatch.setattr(streams, "MOST_SAMPLES", 60)
    samples = _samples(((TX, TY) for _ in itertools.count()), "it")
    assert len(samples) == 60
    assert samples.notes == ("it: it goes on; the first 60 samples are used",)
    monkeypatch.setattr(streams, "MOST_BYTES", 12 * 4 * 4 * 2)
    assert len(_samples(((TX, TY) for _ in itertools.count()), "it")) == 24


def broken(i):
    if i == 7:
        raise FileNotFoundError("cat_007.png")
    return X[i], int(Y[i])


def fails_late():
    yield TX, TY
    raise RuntimeError("the tape is torn")


Pair = namedtuple("Pair", "x y")

REFUSED = {
    "text labels": (lambda: Items(lambda i: (X[i], ["cat", "dog"][i % 2])), r"labels are text \('cat', …\); map them"),
    "text labels in batches": (lambda: [(TX, ["cat"] * 12)], r"labels are text \('cat', …\); .* --metric agreement"),
    "text labels in an array": (lambda: (X, np.array(["cat"] * 12)), r"holds text"),
    "boxes": (lambda: Items(lambda i: (X[i], {"boxes": X[i], "labels": 1})), r"dictionaries \(boxes, labels\)"),
    "boxes in batches": (lambda: [(TX, {"boxes": TX})], r"labels are dictionaries \(boxes\)"),
    "objects": (lambda: (np.array([{}, None]), Y[:2]), r"holds Python objects \(dtype object\)"),
    "dates": (lambda: (np.array(["2026-01-01"], "M8[D]"), Y[:1]), r"holds dates"),
    "records": (lambda: (np.zeros(2, [("a", "f4")]), Y[:2]), r"holds records"),
    "ragged lists": (lambda: ([[1.0, 2.0], [1.0]], [0, 1]), r"rows have different lengths; pad them"),
    "ragged arrays": (lambda: ([X[0], X[0, :2]], [0, 1]), r"samples have different shapes"),
    "too large integers": (lambda: (X, np.full(12, 2**63, np.uint64)), r"integers beyond 2⁶³"),
    "one label": (lambda: (X, 3), r"labels are a single number"),
    "fewer labels": (lambda: (X, Y[:5]), r"12 inputs and 5 labels"),
    "sparse": (lambda: (TX.to_sparse(), TY), r"sparse tensor; make it dense"),
    "nothing": (lambda: ({}, Y), r"holds no array"),
    "no batch": (lambda: iter([]), r"gave no batch"),
    "an empty set": (lambda: Items(broken, 0), r"the set is empty"),
    "None": (lambda: None, r"returned NoneType; return \(x, y\)"),
    "a number": (lambda: 3, r"returned int"),
    "text": (lambda: "data.npz", r"returned str"),
    "an item that raises": (lambda: Items(broken), r"sample 7 failed with FileNotFoundError: cat_007.png"),
    "a generator that raises": (fails_late, r"item 1 failed with RuntimeError: the tape is torn"),
    "shapes that differ": (lambda: Items(lambda i: (X[i, : 2 + i % 2], 0)), r"can't be stacked into a batch"),
    "a picture object": (lambda: Items(lambda i: (object(), 0)), r"can't be stacked into a batch"),
    "not a number": (lambda: (np.where(np.arange(12)[:, None] == 5, np.nan, X), Y), r"sample 5 holds nan"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_it_is_refused_in_one_line(form):
    make, message = REFUSED[form]
    with pytest.raises(DataError, match=message) as refused:
        _samples(make(), "it").batch(range(12))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("it")


def test_a_mask_of_minus_infinity_is_no_defect():
    mask = torch.full((12, 4, 4), -torch.inf).triu(1)
    assert torch.equal(_samples(((TX, mask), TY), "it").batch([2]).args[1], mask[2:3])
    features = torch.where(TX > 1, -torch.inf, TX)
    with pytest.raises(DataError, match="holds -inf"):
        _samples((features, TY), "it").batch(range(12))
