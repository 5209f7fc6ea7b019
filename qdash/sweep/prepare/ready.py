"""A model ready to be looked into: folded, in its fastest memory format, instrumented."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from qdash.instrument.calls import Instrument
from qdash.instrument.folding import Folding, folded
from qdash.instrument.memory_format import CONTIGUOUS, channels_last
from qdash.tensors.samples import Batch


@dataclass(frozen=True)
class ReadyModel:
    """What was done to the model, and the instrument that wraps it.

    passes: forwards on the first batch that nobody counted.
    """

    instrument: Instrument
    folding: Folding
    memory_format: str
    passes: int


@contextmanager
def ready(model: nn.Module, first: Batch, arrange: bool) -> Iterator[ReadyModel]:
    """Inside the block; afterwards the model is as it was. arrange: whether to look for a faster memory format."""
    with folded(model, first.args, first.kwargs) as folding:
        if not arrange:
            with Instrument(model) as instrument:
                yield ReadyModel(instrument, folding, CONTIGUOUS, folding.passes)
            return
        with (
            channels_last(model, first.args, first.kwargs, folding.reference) as memory_format,
            Instrument(model) as instrument,
        ):
            yield ReadyModel(instrument, folding, memory_format, folding.passes + 1)
