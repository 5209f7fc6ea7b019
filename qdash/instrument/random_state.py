"""Where every random generator that a forward may draw from stands: torch's (CPU and CUDA), NumPy's and Python's."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """A moment of all generators; CUDA's only where CUDA is in use."""

    torch_cpu: Tensor
    cuda: list[Tensor]
    python: tuple[Any, ...]
    numpy: dict[str, Any]

    @classmethod
    def now(cls) -> "RandomState":
        """Copies of the states."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        return cls(torch.get_rng_state(), cuda, random.getstate(), np.random.get_state(legacy=False))

    def restore(self) -> None:
        """Sets every generator back to this moment."""
        torch.set_rng_state(self.torch_cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        random.setstate(self.python)
        np.random.set_state(self.numpy)

    def same(self, other: "RandomState") -> bool:
        """Whether nothing was drawn between the two moments."""
        return (
            torch.equal(self.torch_cpu, other.torch_cpu)
            and len(self.cuda) == len(other.cuda)
            and all(torch.equal(a, b) for a, b in zip(self.cuda, other.cuda, strict=True))
            and self.python == other.python
            and self.numpy["state"]["pos"] == other.numpy["state"]["pos"]
            and np.array_equal(self.numpy["state"]["key"], other.numpy["state"]["key"])
        )


def seed_everything(seed: int) -> None:
    """Seeds every generator that `RandomState` knows."""
    torch.manual_seed(within_64_bits(seed))  # CUDA too
    random.seed(seed)
    np.random.seed(seed % 2**32)


def within_64_bits(seed: int) -> int:
    """What torch's generators take: a seed that was counted up or multiplied begins again after 2**64 - 1."""
    return seed % 2**64
