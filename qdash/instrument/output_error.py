"""How far a changed model's output is from what it was: the check of every change that must not be seen."""

import math

import torch
from torch import nn

from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import RandomState
from qdash.tensors.call import Args, Kwargs
from qdash.tensors.trees import cloned, first_float


def output_error(model: nn.Module, reference: object, args: Args, kwargs: Kwargs) -> float:
    """‖output − reference‖₂/‖reference‖₂ of the model's first floating output, with the same random numbers.

    The absolute error where the reference is zero; infinite where the shapes differ. Raises ModelError where the model
    fails.
    """
    state = RandomState.now()
    try:
        with Instrument(model) as instrument:
            output, expected = first_float(instrument.run(*cloned((args, kwargs)))), first_float(reference)
    finally:
        state.restore()
    if output is None or expected is None:
        return 0.0
    if output.shape != expected.shape:
        return math.inf
    scale = torch.linalg.vector_norm(expected.double())
    error = torch.linalg.vector_norm(output.double() - expected.double())
    return float(error / scale) if float(scale) > 0 else float(error)
