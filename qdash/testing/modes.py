"""Laws of modes: their flags fit each other, and a layer's input is treated as they say."""

from typing import ClassVar

import torch
from torch import nn

from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.site import Site
from qdash.layers.linear import Linear
from qdash.modes.base import Mode
from qdash.quant.statistics import Statistics
from qdash.registry import family
from qdash.spec.setting import Setting
from qdash.testing.laws import Laws


class ModeLaws(Laws):
    """Over a linear layer at 4 bits, calibrated on twice the range of its input."""

    family: ClassVar[str] = "modes"

    def test_only_quantized_inputs_have_ranges_of_their_own(self, member: Mode) -> None:
        assert member.quantizes_inputs or not member.live_ranges

    def test_a_fine_tune_has_fixed_ranges_and_a_mode_to_start_from(self, member: Mode) -> None:
        if member.trains:
            start = family("modes").create(member.untrained)
            assert not start.trains
            assert (start.quantizes_inputs, start.live_ranges) == (member.quantizes_inputs, member.live_ranges)
            assert not member.live_ranges

    def test_inputs_stay_fp32_unless_it_quantizes_them(self, name: str, member: Mode) -> None:
        x = inputs()
        assert torch.equal(quantized(name, x), x) == (not member.quantizes_inputs)

    def test_the_same_sample_is_treated_alike_in_every_batch(self, name: str, member: Mode) -> None:
        x = inputs()
        alone = torch.cat([quantized(name, sample[None]) for sample in x])
        assert torch.equal(quantized(name, x), alone)

    def test_live_ranges_follow_the_input_and_fixed_ones_clip_it(self, name: str, member: Mode) -> None:
        x = inputs() * 100
        reach = quantized(name, x).abs().max() / x.abs().max()
        assert bool(reach > 0.9) == (member.live_ranges or not member.quantizes_inputs)

    def test_weights_are_quantized_in_every_mode(self, name: str, member: Mode) -> None:
        (weight,) = layer_in(name).weights.values()
        assert len(set(weight.flatten().tolist())) <= 8 * 16


def inputs() -> torch.Tensor:
    """(samples, tokens, features) between −1 and 1."""
    return torch.rand(3, 4, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def quantized(mode: str, x: torch.Tensor) -> torch.Tensor:
    """The layer's input on the way in."""
    (found,), _ = layer_in(mode).quantized_arguments((x,), {})
    return torch.as_tensor(found)


def layer_in(mode: str) -> LayerQuantizer:
    """A linear layer under the mode."""
    module = nn.Linear(64, 8)
    statistics = Statistics.from_values((2 * inputs()).reshape(1, -1).numpy())
    setting = Setting(mode=mode, weight_format="int4", activation_format="int4")
    return LayerQuantizer(Site(module, Linear(), lambda _: statistics), setting)
