"""What a model's code switches for the whole process: put back where it would reach code that is not the model's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def no_inference_mode(gradients_wanted: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Inside the block `torch.inference_mode` switches gradients off and nothing else, and not where they are wanted.

    Its tensors keep no version counters, by which writes in place are seen; the numbers are the same.
    """
    before = torch.inference_mode.__enter__, torch.inference_mode.__exit__

    def enter(mode: Any) -> None:
        mode.grad_before = torch.is_grad_enabled()
        if mode.mode and not gradients_wanted():
            torch.set_grad_enabled(False)

    def leave(mode: Any, *_: object) -> None:
        torch.set_grad_enabled(mode.grad_before)

    _set(enter, leave)
    try:
        yield
    finally:
        _set(*before)


@contextmanager
def own_defaults() -> Iterator[None]:
    """torch's default dtype and device are afterwards as they were."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        yield
    finally:
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)


def _set(enter: object, leave: object) -> None:
    torch.inference_mode.__enter__, torch.inference_mode.__exit__ = enter, leave  # type: ignore[method-assign,assignment]
