"""What the labels of a whole set look like."""

import pytest
import torch

from qdash.tensors.labels import survey


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 2, 2], {"low": 0, "high": 2, "floating": False, "binary": False, "shape": ()}),
        ([0, 1, 1, 0], {"binary": True, "one_hot": False}),
        ([0.0, 2.0, 1.0, 4.0], {"floating": True, "whole": True}),
        ([0.5, 2.0, 1.0, 4.0], {"whole": False}),
        ([float("nan"), 1.0, 2.0, 3.0], {"not_finite": 1, "low": 1, "high": 3}),
        ([[1], [0], [2], [0]], {"shape": (1,), "one_hot": False}),
        ([[1, 0], [0, 1], [0, 1], [1, 0]], {"one_hot": True, "binary": True}),
        ([[1, 1], [0, 1], [0, 1], [1, 0]], {"one_hot": False, "binary": True}),
        ([[0, -100], [1, 5], [2, -100], [1, 1]], {"seen": {-100}, "low": -100, "low_kept": 0, "high_kept": 5}),
        ([[0, 255], [1, 5], [2, 20], [1, 1]], {"seen": {255}, "high": 255, "high_kept": 20}),
        ([-1, 0, 1, 2], {"seen": {-1}, "low_kept": 0}),
    ],
)
def test_it_is_found_whatever_the_batches(labels, expected):
    tensor = torch.tensor(labels)
    for size in (1, 3, 4):
        stats = survey(tensor.split(size))
        assert {name: getattr(stats, name) for name in expected} == expected


def test_samples_that_differ_have_no_shape():
    assert survey([torch.zeros(2, 3), torch.zeros(2, 4)]).shape is None
