"""Laws of layer kinds: what they say of a module is true of torch's own module, counter and operators."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qdash.instrument.operations import Operation, kind_of
from qdash.instrument.weights import effective_weight, parameters_of
from qdash.layers.base import LayerKind, Operator
from qdash.sweep.prepare.layers import kinds_of
from qdash.testing.laws import Laws


class Sample(NamedTuple):
    """A module, what it is called with, and the operator that it is in a graph, "" where it is none or several."""

    module: nn.Module
    args: tuple[Tensor, ...]
    operator: str = ""


def operation(function: Callable[..., Any]) -> nn.Module:
    """A functional operation as a sweep sees it."""
    found = Operation(kind_of(function))
    found.function = function
    return found


def drawn(*shape: int) -> Tensor:
    """The same numbers every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


IMAGE, TOKENS = (2, 4, 6, 6), (2, 3, 6)
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SAMPLES: Mapping[str, Callable[[], Iterable[Sample]]] = {
    "attention": lambda: [Sample(nn.MultiheadAttention(6, 2), (drawn(*TOKENS),) * 3)],
    "convolution": lambda: [
        Sample(nn.Conv1d(4, 6, 3, stride=2, dilation=2), (drawn(2, 4, 9),), "aten.conv1d.default"),
        Sample(nn.Conv2d(4, 6, 3, padding=1, groups=2), (drawn(*IMAGE),), "aten.conv2d.default"),
        Sample(nn.Conv3d(2, 4, (1, 2, 3), bias=False), (drawn(2, 2, 5, 5, 5),), "aten.conv3d.default"),
        *(
            Sample(convolution(4, 6, 3, padding="same"), (drawn(2, 4, *(5,) * n),), f"aten.conv{n}d.padding")
            for n, convolution in CONVOLUTIONS.items()
        ),
    ],
    "transposed_convolution": lambda: [
        Sample(nn.ConvTranspose1d(4, 5, 4), (drawn(2, 4, 6),), "aten.conv_transpose1d.default"),
        Sample(
            nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1), (drawn(*IMAGE),), "aten.conv_transpose2d.input"
        ),
        Sample(nn.ConvTranspose3d(4, 2, 2), (drawn(2, 4, 3, 3, 3),), "aten.conv_transpose3d.input"),
    ],
    "linear": lambda: [
        Sample(nn.Linear(6, 4), (drawn(*TOKENS),), "aten.linear.default"),
        Sample(nn.Linear(6, 4, bias=False), (drawn(5, 6),), "aten.linear.default"),
    ],
    "transformers_conv1d": lambda: [Sample(Conv1D(), (drawn(5, 6),), "aten.addmm.default")],
    "embedding": lambda: [Sample(nn.Embedding(7, 5), (torch.tensor([[1, 2], [3, 6]]),), "aten.embedding.default")],
    "recurrent": lambda: [
        Sample(nn.LSTM(6, 3, 2, bidirectional=True), (drawn(*TOKENS),)),
        Sample(nn.GRUCell(6, 3), (drawn(5, 6),)),
    ],
    "functional": lambda: [
        Sample(operation(torch.matmul), (drawn(*TOKENS), drawn(6, 4)), "aten.matmul.default"),
        Sample(operation(torch.mm), (drawn(3, 6), drawn(6, 4)), "aten.mm.default"),
        Sample(operation(torch.bmm), (drawn(*TOKENS), drawn(2, 6, 4)), "aten.bmm.default"),
        Sample(operation(torch.addmm), (drawn(3, 4), drawn(3, 6), drawn(6, 4)), "aten.addmm.default"),
        Sample(operation(torch.baddbmm), (drawn(2, 3, 4), drawn(*TOKENS), drawn(2, 6, 4)), "aten.baddbmm.default"),
        Sample(operation(torch.add), (drawn(*TOKENS), drawn(*TOKENS)), "aten.add.Tensor"),
        Sample(
            operation(nn.functional.scaled_dot_product_attention),
            (drawn(*TOKENS),) * 3,
            "aten.scaled_dot_product_attention.default",
        ),
    ],
}
UNCOUNTED = {"recurrent"}  # torch's counter sees nothing of a fused LSTM


class Conv1D(nn.Module):
    """As Hugging Face's, whose class is found by its name alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(drawn(6, 4)), nn.Parameter(drawn(4))

    def forward(self, x: Tensor) -> Tensor:
        """(n, 6) → (n, 4)."""
        return torch.addmm(self.bias, x, self.weight)


Conv1D.__module__ = "transformers.pytorch_utils"


class LayerLaws(Laws):
    """Over modules of each kind with what they are called with: `samples`, name of a kind → such pairs."""

    family: ClassVar[str] = "layers"
    samples: ClassVar[Mapping[str, Callable[[], Iterable[Sample]]]] = SAMPLES

    def of(self, name: str) -> list[Sample]:
        """The modules of a kind."""
        return list(self.samples[name]())

    def test_a_sweep_takes_its_modules_for_this_kind(self, name: str, member: LayerKind) -> None:
        for module, *_ in self.of(name):
            assert member.distance(module) is not None
            assert isinstance(kinds_of({"layer": module})["layer"], type(member))
            assert member.distance(nn.ReLU()) is None
            assert member.type_name(module)

    def test_its_weights_are_parameters_with_such_a_channel_axis(self, name: str, member: LayerKind) -> None:
        for module, *_ in self.of(name):
            for path, axis in member.weights(module).items():
                assert effective_weight(module, path).dim() > axis >= 0
                assert parameters_of(module, path)

    def test_every_weight_matrix_is_a_weight_of_it(self, name: str, member: LayerKind) -> None:
        for module, *_ in self.of(name):
            named = {id(p) for path in member.weights(module) for p in parameters_of(module, path)}
            assert {id(p) for p in module.parameters() if p.dim() > 1} == named

    def test_its_parts_have_its_weights_each_once(self, name: str, member: LayerKind) -> None:
        for module, *_ in self.of(name):
            parts = list(member.parts(module).values())
            paths = [path for part in parts for path in part.weights(module)]
            own = [id(p) for part in parts for p in part.own_parameters(module)]
            assert not parts or sorted(paths) == sorted(member.weights(module))
            assert sorted(own) == sorted(id(p) for p in member.own_parameters(module) if parts)
            assert sum(part.share(module) for part in parts or [member]) == pytest.approx(1.0)
            assert [part.inputs(module) for part in parts[1:]] == [()] * len(parts[1:])
            assert not any(part.parts(module) for part in parts)

    def test_its_inputs_are_arguments_in_their_order(self, name: str, member: LayerKind) -> None:
        for module, args, _ in self.of(name):
            inputs = member.inputs(module)
            assert len(inputs) <= len(inspect.signature(module.forward).parameters) or isinstance(module, Operation)
            assert set(member.weight_inputs(module)) <= set(inputs)
            for name_of_input, argument in zip(inputs, args, strict=False):
                if name_of_input and member.quantizes_input:
                    assert argument.is_floating_point()
                    assert -argument.dim() <= member.channel_axis(module) < argument.dim()

    def test_its_multiply_accumulates_are_those_that_torch_counts(self, name: str, member: LayerKind) -> None:
        for module, args, _ in self.of(name):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                output = module(*args)
            macs = member.macs(module, args, output)
            assert 0 <= member.weight_macs(module, args, output) <= macs
            assert name in UNCOUNTED or macs == counter.get_total_flops() / 2

    def test_its_operators_compute_what_its_modules_compute(self, name: str, member: LayerKind) -> None:
        """At the places stated stand input, weight and bias: told by calling torch's operator with them there."""
        stated = {operator.name: operator for operator in member.operations}
        assert {sample.operator for sample in self.of(name)} - {""} == set(stated)
        for module, args, operator in self.of(name):
            if operator:
                found = aten(operator)(*arguments(stated[operator], module, args))
                assert torch.equal(found, module(*args)), operator

    def test_the_operands_of_an_operator_are_those_of_the_module(self, name: str, member: LayerKind) -> None:
        stated = {operator.name: operator for operator in member.operations}
        for module, args, operator in self.of(name):
            if operator and stated[operator].weight is None:
                operands = [args[place] for place in stated[operator].inputs]
                named = [x for x, given in zip(args, member.inputs(module), strict=False) if given]
                assert all(x is y for x, y in zip(operands, named, strict=True))

    def test_the_channels_of_an_operator_s_weight_are_those_of_the_module(self, name: str, member: LayerKind) -> None:
        for stated in member.operations:
            if stated.weight is not None:
                axes = {axis for module, *_ in self.of(name) for axis in member.weights(module).values()}
                assert axes == {stated.channel_axis}


def aten(name: str) -> Any:
    """`aten.conv2d.default` → the operator of torch.ops."""
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


def arguments(stated: Operator, module: nn.Module, args: tuple[Tensor, ...]) -> list[Any]:
    """What the operator is called with: the module's tensors at the places stated, its settings, torch's defaults."""
    own = {stated.weight: "weight", stated.bias: "bias"} if stated.weight is not None else {}
    places = dict(zip(stated.inputs, args, strict=True)) if own else dict(enumerate(args))
    found = []
    for place, argument in enumerate(aten(stated.name)._schema.arguments):
        if not argument.kwarg_only:
            setting = places.get(place, getattr(module, own.get(place, argument.name), None))
            found.append(argument.default_value if setting is None else setting)
    return found
