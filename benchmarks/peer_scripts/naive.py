"""The loop that everybody writes by hand: quantize one layer, run the whole network over all images, next layer.

Weights per channel, symmetric; inputs per tensor, affine, min-max; with torch's own fake-quantize.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.peer_scripts.common import Clock, Given, given, mean_kl, show

Range = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fold", action="store_true", help="fold BatchNorm first, as qdash does")
    fold, subject, clock = parser.parse_args().fold, given(), Clock()
    with torch.no_grad():
        with clock.part("calibration"):
            if fold:
                fold_norms(subject.model)
            layers = {name: m for name, m in subject.model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
            ranges = calibrated(subject, layers)
        with clock.part("sweep"):
            scores = {name: score(subject, layer, ranges[name]) for name, layer in layers.items()}
    show(torch.__version__, clock, scores, "KL of the model's output, nats; exact", f"{len(layers)} + 1")


def calibrated(subject: Given, layers: dict[str, nn.Module]) -> dict[str, Range]:
    """The smallest and largest input of every layer, 0 included."""
    ranges: dict[str, Range] = dict.fromkeys(layers, (0.0, 0.0))

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            low, high = ranges[name]
            ranges[name] = min(low, inputs[0].min().item()), max(high, inputs[0].max().item())

        return layers[name].register_forward_pre_hook(hook)

    handles = [watch(name) for name in layers]
    for batch in subject.batches:
        subject.model(batch)
    for handle in handles:
        handle.remove()
    return ranges


def score(subject: Given, layer: nn.Module, clipping: Range) -> float:
    """The KL divergence with this layer alone quantized."""
    with quantized(layer, clipping):
        return mean_kl(subject.reference, (subject.model(batch) for batch in subject.batches))


@contextmanager
def quantized(layer: nn.Module, clipping: Range) -> Iterator[None]:
    """int8 weights and uint8 inputs inside the block."""
    low, high = clipping
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    original = layer.weight.data
    scales = original.abs().flatten(1).amax(1) / 127
    zeros = torch.zeros_like(scales, dtype=torch.int32)
    layer.weight.data = torch.fake_quantize_per_channel_affine(original, scales, zeros, 0, -127, 127)
    handle = layer.register_forward_pre_hook(
        lambda _, inputs: (torch.fake_quantize_per_tensor_affine(inputs[0], scale, zero_point, 0, 255),)
    )
    yield
    handle.remove()
    layer.weight.data = original


def fold_norms(model: nn.Module) -> None:
    """Folds each BatchNorm into the convolution that is its elder sibling; in place."""
    for parent in model.modules():
        children = list(parent.named_children())
        for (name, module), (norm_name, norm) in pairwise(children):
            if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(module, norm))
                setattr(parent, norm_name, nn.Identity())


if __name__ == "__main__":
    main()
