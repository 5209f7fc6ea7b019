"""Outputs by name, whatever holds them."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from qdash.errors import SpecError
from qdash.tensors.outputs import chosen_output, named_outputs

A, B, COUNTS = torch.ones(2, 3), torch.zeros(2, 4), torch.ones(2, dtype=torch.long)
Pair = namedtuple("Pair", "boxes scores")


@dataclass
class Found:
    boxes: torch.Tensor
    extra: object = None


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        (A, ["output"]),
        ((A, COUNTS, B), ["0", "2"]),
        ([A, (B, A)], ["0", "1.0", "1.1"]),
        ({"features": A, "scores": B, "labels": COUNTS}, ["features", "scores"]),
        (OrderedDict(a={"b": A}), ["a.b"]),
        (Pair(A, B), ["boxes", "scores"]),
        (Found(A, [B, None, "text"]), ["boxes", "extra.0"]),
        (COUNTS, []),
        (None, []),
    ],
)
def test_names_are_the_way_to_a_tensor(tree, names):
    assert list(named_outputs(tree)) == names


def test_it_is_chosen_by_name_index_or_path():
    names = ["features", "heads.0", "heads.1"]
    assert chosen_output(names, "heads.1") == chosen_output(names, "2") == chosen_output(names, "-1") == "heads.1"
    assert chosen_output(["2", "0"], "2") == "2"  # a name before an index
    with pytest.raises(SpecError, match=r"no output '7'; its floating outputs are: features, heads.0, heads.1"):
        chosen_output(names, "7")
