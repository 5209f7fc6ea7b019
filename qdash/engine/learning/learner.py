"""Fine-tuning on a bench: quantized layers learn from one training batch at a time."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from qdash.engine.bench import Bench
from qdash.engine.learning.losses import Loss
from qdash.engine.learning.trainable import TrainableLayer
from qdash.engine.quantizers import together
from qdash.engine.tape.edges import differentiable_recurrence, differentiating
from qdash.engine.trained import TrainedLayer
from qdash.errors import ModelError
from qdash.instrument.calls import Instrument

# Losses of well quantized layers are tiny, and so are their gradients: Adam's usual 1e-8 would slow them down.
_ADAM_EPSILON = 1e-15
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Learner:
    """Layers that are quantized and trained together, all others being FP32, under one Adam.

    layers: their names. modules: those that own their weights, by name. The learning rate falls from its
    start to 0 over `steps` as half a cosine.
    """

    def __init__(self, layers: Sequence[str], modules: Mapping[str, TrainableLayer], learning_rate: float, steps: int):
        self._layers, self._modules = layers, modules
        self._learning_rate, self._steps = learning_rate, steps
        self.step = 0
        self._tensors: dict[str, Tensor] = {}
        for layer, trainable in modules.items():
            for name, tensor in trainable.trained_tensors().items():
                if not any(tensor is known for known in self._tensors.values()):  # tied weights are trained once
                    self._tensors[json.dumps([layer, name])] = tensor
        self._adam = torch.optim.Adam(self._tensors.values(), lr=learning_rate, eps=_ADAM_EPSILON)
        if not any(module.learns for module in modules.values()):
            self.step = steps

    def learn(self, bench: Bench, loss: Loss) -> Tensor:
        """One step on the bench's batch; the mean loss before it, a float64 scalar.

        Nothing is learned from gradients that aren't finite.

        Raises ModelError where the model can't be differentiated.
        """
        overrides = together(self._modules)
        first = bench.first_called(self._layers)
        with _differentiable(bench.instrument):
            output = bench.replay(overrides, first, detach=False)
            value = loss(output, bench.reference, bench.batch.target).mean()
            if value.requires_grad:
                self._follow(_gradients(value, list(self._tensors.values())))
        self.step += 1
        bench.instrument.executed_macs += self.work(bench) - bench.work_from(first)
        return value.detach()

    def work(self, bench: Bench) -> float:
        """Multiply-accumulates of a step on the bench's batch: forward, backward to inputs, backward to weights."""
        first = bench.first_called(self._layers)
        return 2 * bench.work_from(first) + sum(bench.work_inside(layer) for layer in self._layers)

    def trained(self) -> dict[str, TrainedLayer]:
        """By module, as it stands."""
        return {name: module.trained() for name, module in self._modules.items()}

    def state(self) -> dict[str, Tensor]:
        """All that a new process needs to go on, besides `step`: name → tensor, of any shape."""
        found = dict(self._tensors)
        for name, tensor in self._tensors.items():
            found |= {f"{moment} {name}": value for moment, value in self._adam.state.get(tensor, {}).items()}
        return found

    def load_state(self, state: Mapping[str, Tensor], step: int) -> None:
        """Goes on from what `state` gave, the same names and shapes; KeyError where a tensor is missing."""
        self.step = step
        for name, tensor in self._tensors.items():
            tensor.detach().copy_(state[name])
            if f"step {name}" in state:
                moments = {moment: state[f"{moment} {name}"] for moment in _MOMENTS}
                self._adam.state[tensor] = {
                    key: value if key == "step" else value.to(tensor.device) for key, value in moments.items()
                }

    def _follow(self, gradients: list[Tensor | None]) -> None:
        lengths = torch.stack([gradient.abs().sum() for gradient in gradients if gradient is not None])
        if not bool(torch.isfinite(lengths).all()):
            return
        for group in self._adam.param_groups:
            group["lr"] = self._learning_rate * (1 + math.cos(math.pi * self.step / self._steps)) / 2
        for tensor, gradient in zip(self._tensors.values(), gradients, strict=True):
            tensor.grad = gradient
        self._adam.step()


@contextmanager
def _differentiable(instrument: Instrument) -> Iterator[None]:
    recurrent = any(isinstance(module, nn.RNNBase) for module in instrument.modules.values())
    with differentiating(instrument), differentiable_recurrence() if recurrent else nullcontext():
        yield


def _gradients(value: Tensor, tensors: list[Tensor]) -> list[Tensor | None]:
    try:
        return list(torch.autograd.grad(value, tensors, allow_unused=True))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelError(
            f"the model has no gradients ({reason}), so it can't be fine-tuned; use --mode static"
        ) from error
