"""The first batch, run before anything else: it shows whether the model runs at all, and whether it repeats itself."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from qdash.errors import ModelError
from qdash.instrument.attributes import KeptAttribute, Snapshot, keeping
from qdash.instrument.calls import Instrument
from qdash.instrument.random_state import RandomState
from qdash.sweep.prepare.input_form import conversion, in_the_models_dtype
from qdash.sweep.prepare.layers import kinds_of
from qdash.sweep.prepare.workload import Workload
from qdash.tensors.samples import Batch
from qdash.tensors.trees import cloned, tensors

_ROUNDING = 100  # times the precision of an output: kernels of an accelerator don't always add in one order


@contextmanager
def tried(workload: Workload, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The first batch as the model takes it; inside the block every pass begins with the same model.

    batches: the first that the model takes is the one. Raises ModelError where none is, and where two passes of it
    differ although everything that a forward changes was put back.
    """
    model = workload.model
    before, random_before = Snapshot(model), RandomState.now()
    try:
        batch, output = _first_that_runs(workload, batches)
    finally:
        changed = before.changed()
        _restore(changed)
    random_before.restore()
    _check_weights(model, changed)
    with keeping(model, changed):
        with Instrument(model) as instrument:
            again = instrument.run(*cloned((batch.args, batch.kwargs)))
        random_before.restore()
        if not _alike(output, again):
            raise ModelError(_differs(changed))
        workload.notes += [_mode_note(kept.name) for kept in changed if kept.is_mode]
        yield batch


def _first_that_runs(workload: Workload, batches: Iterable[Batch]) -> tuple[Batch, object]:
    failure: ModelError | None = None
    for batch in batches:
        try:
            return _run(workload, batch)
        except ModelError as error:
            failure = failure or error
    assert failure is not None, "there is at least one batch"
    raise failure


def _run(workload: Workload, batch: Batch) -> tuple[Batch, object]:
    """The output, of the batch in the model's floating type where it doesn't run in its own."""
    with Instrument(workload.model) as instrument:
        try:
            return batch, instrument.run(*cloned((batch.args, batch.kwargs)))
        except ModelError:
            form = in_the_models_dtype(workload.model, batch)
            if form is None:
                raise
            args, kwargs = form((batch.args, batch.kwargs))
            converted = replace(batch, args=args, kwargs=kwargs)
            try:
                output = instrument.run(*cloned((args, kwargs)))
            except ModelError:
                output = None
            if output is None:
                raise
            workload.use_input_form(form, conversion(batch, converted))
            return converted, output


def _check_weights(model: nn.Module, changed: Sequence[KeptAttribute]) -> None:
    """What is quantized must be what runs. Raises ModelError where forward writes to a layer's own weight."""
    modules = dict(model.named_modules())
    kinds = kinds_of(modules)
    layers = {f"{name}.{path}".lstrip(".") for name in kinds for path in kinds[name].weights(modules[name])}
    for kept in changed:
        if kept.is_weight and kept.name in layers:
            raise ModelError(
                f"forward changes {kept.name}, a weight that would be quantized, so it has no fixed value; leave that "
                "out of forward in evaluation mode"
            )


def _restore(changed: Sequence[KeptAttribute]) -> None:
    with torch.no_grad():
        for kept in changed:
            kept.restore()


def _alike(first: object, second: object) -> bool:
    ones, others = list(tensors(first)), list(tensors(second))
    return len(ones) == len(others) and all(map(_close, ones, others))


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.is_floating_point():
        return one.is_complex() or torch.equal(one, other)
    one, other = one.detach(), other.detach()
    error = torch.linalg.vector_norm((one.double() - other.double()).nan_to_num(0.0, 0.0, 0.0))
    scale = torch.linalg.vector_norm(one.double().nan_to_num(0.0, 0.0, 0.0))
    return bool(error <= _ROUNDING * torch.finfo(one.dtype).eps * scale)


def _differs(changed: Sequence[KeptAttribute]) -> str:
    known = ", ".join(kept.name for kept in changed)
    besides = f", besides {known}, which are put back" if known else ""
    return (
        "two FP32 forwards of one batch differ: forward depends on what earlier ones left outside of the model's "
        f"buffers and attributes (a variable of a closure or of another module, the time{besides}); keep it in a "
        "buffer or an attribute"
    )


def _mode_note(name: str) -> str:
    module = name.rpartition(".")[0] or "the model"
    return (
        f"forward switches {module} between training and evaluation mode; it is measured so, dropout with the same "
        "random numbers every time"
    )
