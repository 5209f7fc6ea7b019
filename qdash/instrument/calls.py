"""Sees and steers every call of every submodule, and leaves the model exactly as it was."""

from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from threading import get_ident

import torch
from torch import nn

from qdash.errors import ModelError, QdashError
from qdash.faults import is_of_foreign_code
from qdash.instrument.ambient import no_inference_mode, own_defaults
from qdash.instrument.attributes import KeptAttribute, kept_attributes
from qdash.instrument.buffers import KeptBuffer, kept_buffers
from qdash.instrument.computed import ComputedWeight
from qdash.instrument.failures import failure
from qdash.instrument.listeners import Counter, Hides, Interceptor, Shows
from qdash.instrument.operations import FunctionalCalls, Operation, kind_of
from qdash.tensors.call import Args, Forward, Kwargs
from qdash.tensors.trees import cloned

# What runs instead of a module's forward: gets the forward itself, its arguments and keyword arguments.
Override = Callable[[Forward, Args, Kwargs], object]
ROOT = "(model)"  # the name of the model itself


class Instrument:
    """Wraps the forward of every module while the context is open.

    `interceptor` sees all calls (recording, replay); `overrides` replace the forward of named modules (quantization,
    probes). Forwards run under `no_grad`, never `inference_mode`, which keeps no version counters. The fused kernels of
    attention layers, which pass their submodules by, are switched off. What a forward changes in buffers and in
    attributes that are kept (`attributes.keeping`) is undone after every pass.

    Where `shows` is set, a functional operation is seen as the call of a module that is named by its place:
    `PLACE#matmul_2` is the second matmul in one call of PLACE. Such modules join `modules` when first seen.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.modules: dict[str, nn.Module] = {n or ROOT: m for n, m in model.named_modules()}
        self.overrides: Mapping[str, Override] = {}
        self.interceptor: Interceptor | None = None
        self.keeps_graph = False
        self.count: Counter | None = None
        self.shows: Shows | None = None
        self.hides: Hides = lambda name: False
        self.executed_macs = 0.0
        self.notes: set[str] = set()
        self._failed: str | None = None
        self._fault: BaseException | None = None
        self._open: list[tuple[str, Counts[str]]] = []  # the calls under way, and how often each operation was seen
        self._in_model = False  # whether the model's own code runs, not what was put around it: only its calls are seen
        self._stack = ExitStack()
        self._thread, self._elsewhere = 0, ""  # whose calls are seen; a module that another thread called
        self._attributes = kept_attributes(model)
        self._changing: dict[str, KeptBuffer] = {}  # the buffers that a pass has changed
        self._buffers = kept_buffers(model)

    def __enter__(self) -> "Instrument":
        scripted = [name for name, module in self.modules.items() if isinstance(module, torch.jit.ScriptModule)]
        if scripted:
            raise ModelError(f"{scripted[0]} is a TorchScript module and can't be looked into; load the eager model")
        for name, module in self.modules.items():
            module.forward = SeenForward(self, name, module.forward)
        self._fast_path = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._stack.enter_context(no_inference_mode(lambda: self.keeps_graph))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        torch.backends.mha.set_fastpath_enabled(self._fast_path)
        for module in self.modules.values():
            original = _original(module)
            if getattr(original, "__self__", None) is module:
                del module.forward
            else:  # somebody had set a forward of their own on the instance
                module.forward = original

    def run(self, args: Args, kwargs: Kwargs) -> object:
        """One forward of the whole model. Raises ModelError that names the innermost module that failed."""
        self._failed, self._fault, self._elsewhere = None, None, ""
        self._open, self._in_model, self._thread = [], True, get_ident()
        mode = nullcontext() if self.shows is None else FunctionalCalls(self._present)
        try:
            with own_defaults(), torch.set_grad_enabled(self.keeps_graph), mode:
                output = self.model(*args, **kwargs)
            if self._elsewhere:
                raise ModelError(f"forward calls {self._elsewhere} in a thread of its own; call it in forward's thread")
            return cloned(output) if any(kept.changed() for kept in self._attributes) else output
        except QdashError:
            raise
        except BaseException as error:
            if self._fault is error or not is_of_foreign_code(error):  # of what stands for a forward; an interrupt
                raise
            raise ModelError(f"the model failed {self._where()}: {failure(error, args, kwargs)}") from error
        finally:
            self._in_model = False
            self._put_back()

    def state(self) -> list[KeptAttribute | KeptBuffer]:
        """What passes are known to change, as it is now: a call that changes it does more than return its output."""
        known: list[KeptAttribute | KeptBuffer] = [*self._attributes, *self._changing.values()]
        return [kept.again() for kept in known]

    def _put_back(self) -> None:
        known: list[KeptAttribute | KeptBuffer] = [*self._buffers, *self._attributes]
        for kept in known:
            with torch.no_grad():
                if kept.restore():
                    self.notes.add(f"forward changes {kept.name}; it is restored after every pass")
                    if isinstance(kept, KeptBuffer):
                        self._changing[kept.name] = kept

    def _where(self) -> str:
        inside = self._failed and (self._failed != ROOT or len(self.modules) == 1)
        return f"at {self._described(str(self._failed))}" if inside else "in its own forward"

    def _described(self, name: str) -> str:
        text = " ".join(repr(self.modules[name]).split())
        return f"{name}, {text}" if len(text) <= 120 else f"{name}, {type(self.modules[name]).__name__}"

    @contextmanager
    def overriding(self, overrides: Mapping[str, Override]) -> Iterator[None]:
        """Replaces the forwards of named modules inside the block."""
        before, self.overrides = self.overrides, overrides
        try:
            yield
        finally:
            self.overrides = before

    @contextmanager
    def intercepting(self, interceptor: Interceptor) -> Iterator[None]:
        """Shows every call to `interceptor` inside the block."""
        before, self.interceptor = self.interceptor, interceptor
        try:
            yield
        finally:
            self.interceptor = before

    def forget_operations(self) -> None:
        """Functional operations leave `modules`; those that are shown from now on join anew."""
        for name in [name for name, module in self.modules.items() if isinstance(module, Operation)]:
            del self.modules.pop(name).forward  # which refers to the operation: it would stay until garbage is sought

    def set_computed(self, name: str, weight: ComputedWeight) -> None:
        """From now on the module's weight is known to be computed by its forward; see `instrument.weights`."""
        seen = self.modules[name].forward
        assert isinstance(seen, SeenForward), "the instrument is open"
        seen.computed = weight

    def forward_of(self, name: str) -> Forward:
        """The original forward of a module, for use outside a pass of the model; its work is counted."""
        forward = _original(self.modules[name])
        return lambda *args, **kwargs: self._without_grad(name, forward, args, kwargs)

    def _without_grad(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        self._thread = get_ident()
        with torch.no_grad():
            return self._counted(name, forward, args, kwargs)

    def _counted(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        before, self._in_model = self._in_model, True
        try:
            output = forward(*args, **kwargs) if self.shows is None else self._opened(name, forward, args, kwargs)
        finally:
            self._in_model = before
        if self.count is not None:
            self.executed_macs += self.count(name, args, kwargs, output)
        return output

    def _opened(self, name: str, forward: Forward, args: Args, kwargs: Kwargs) -> object:
        self._open.append((name, Counts()))
        try:
            return forward(*args, **kwargs)
        finally:
            self._open.pop()

    def _present(self, kind: str, function: Forward, args: Args, kwargs: Kwargs) -> object:
        """Shows one functional operation as the call of a module."""
        if not self._in_model or self.shows is None or not self.shows([name for name, _ in self._open], kind):
            return function(*args, **kwargs)
        place, seen = self._open[-1]
        seen[kind] += 1
        name = f"{place}#{kind}_{seen[kind]}"
        if self.hides(name):
            return function(*args, **kwargs)
        operation = self.modules.get(name)
        if not isinstance(operation, Operation):
            operation = self.modules[name] = Operation(kind_of(function))
            vars(operation)["forward"] = SeenForward(self, name, operation.forward)
        operation.function = function
        return operation.forward(*args, **kwargs)


class SeenForward:
    """Stands where a module's forward was. One small object a module: a thousand layers have thousands.

    computed: of a layer that computes its weight, once that is known.
    """

    __slots__ = ("__wrapped__", "_instrument", "_name", "computed")

    def __init__(self, instrument: Instrument, name: str, forward: Forward):
        self._instrument, self._name, self.__wrapped__ = instrument, name, forward
        self.computed: ComputedWeight | None = None

    def __call__(self, *args: object, **kwargs: object) -> object:
        instrument = self._instrument
        if not instrument._in_model:  # a look at a computed weight, say
            return self.__wrapped__(*args, **kwargs)
        if get_ident() != instrument._thread:
            instrument._elsewhere = self._name
            return self.__wrapped__(*args, **kwargs)
        instrument._in_model = False
        try:
            if instrument.interceptor is None:
                return self._execute(*args, **kwargs)
            return instrument.interceptor(self._name, self._execute, args, kwargs)
        finally:
            instrument._in_model = True

    def _execute(self, *args: object, **kwargs: object) -> object:
        override = self._instrument.overrides.get(self._name)
        if override is None:
            return self._counted(*args, **kwargs)
        try:
            with torch.set_grad_enabled(self._instrument.keeps_graph and torch.is_grad_enabled()):
                return override(self._counted, args, kwargs)  # whatever the model has switched on
        except BaseException as error:
            if self._instrument._failed is None:
                self._instrument._fault = error
            raise

    def _counted(self, *args: object, **kwargs: object) -> object:
        instrument = self._instrument
        try:
            return instrument._counted(self._name, self.__wrapped__, args, kwargs)
        except BaseException:
            instrument._failed = instrument._failed or self._name
            raise


def _original(module: nn.Module) -> Forward:
    seen = module.forward
    assert isinstance(seen, SeenForward), "the instrument is open"
    return seen.__wrapped__
