"""What a tiny hard model of the zoo is, and where they are all kept."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

SAMPLES, CALIBRATION, BATCH, FEATURES, CLASSES = 24, 16, 8, 6, 4


@dataclass(frozen=True)
class Animal:
    """A model, its samples and what is expected of it.

    file, name: of the callables `NAME`, `NAME_evaluation`, `NAME_calibration`. prepare: what the test does to its own
    copy before it sweeps it (a weight norm made plain). error: of a model that can't be swept. notes: words that the
    run says. spec: other values of the sweep.
    """

    file: str
    name: str
    prepare: Callable[[Any], Any] = lambda model: model
    error: str = ""
    notes: tuple[str, ...] = ()
    non_finite: str = ""
    spec: dict[str, Any] = field(default_factory=dict)


ZOO: dict[str, Animal] = {}


def features(count: int, seed: int) -> Any:
    """Random vectors and labels."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, FEATURES, generator=generator)
    return x, torch.randint(0, CLASSES, (count,), generator=generator)


def images(count: int, seed: int) -> Any:
    """Random pictures of 2×6×6 and labels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 6, 6, generator=generator), features(count, seed)[1]


def tokens(count: int, seed: int) -> Any:
    """Random integers of shape (count, 5) and labels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 11, (count, 5), generator=generator), features(count, seed)[1]


def sequences(count: int, seed: int) -> Any:
    """Random sequences of 5 vectors and labels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, FEATURES, generator=generator), features(count, seed)[1]


def animal(data: Callable[[int, int], Any] = features, **expected: Any) -> Callable[[Any], Any]:
    """Decorator of a class or function that builds a model: puts it and its samples where a sweep can name them."""

    def keep(build: Any) -> Any:
        module, name = sys.modules[build.__module__], build.__name__

        def seeded() -> Any:
            torch.manual_seed(7)
            return build()

        setattr(module, f"build_{name}", seeded)
        setattr(module, f"evaluation_{name}", lambda: data(SAMPLES, 1))
        setattr(module, f"calibration_{name}", lambda: data(CALIBRATION, 2))
        ZOO[name] = Animal(str(module.__file__), name, **expected)
        return build

    return keep


def seed(number: int) -> None:
    """Of all generators that the zoo draws from."""
    import random

    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)
