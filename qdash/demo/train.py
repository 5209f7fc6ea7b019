"""Trains the demo networks and writes their weights: `python -m qdash.demo.train [--only NAME] [--out DIR]`."""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from qdash.demo.data import Split, digits
from qdash.demo.networks import NETWORKS, WEIGHTS, build

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained; the learning rate rises and falls once (Smith & Topin 2017, arXiv:1708.07120)."""

    optimizer: type[Optimizer]
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int = 50
    seed: int = 0


# The strong weight decay of the MobileNet is what makes its depthwise layers hard to quantize: see docs/demo.md.
RECIPES = {
    "digits-resnet": Recipe(SGD, learning_rate=0.1, weight_decay=5e-4, epochs=40),
    "digits-mobilenet": Recipe(SGD, learning_rate=0.1, weight_decay=5e-3, epochs=40, seed=2),
    "digits-vit": Recipe(AdamW, learning_rate=3e-3, weight_decay=0.02, epochs=150),
    "digits-lstm": Recipe(AdamW, learning_rate=1e-2, weight_decay=0.05, epochs=120),
}


def train(name: str, recipe: Recipe) -> nn.Module:
    """The network, trained from scratch on the CPU, in eval mode.

    The same bits for the same recipe, torch version and kind of processor; torch's generator and number of threads
    are left as they were.
    """
    with _seeded(recipe.seed):
        network = build(name, pretrained=False).train()
        images, labels = _tensors("train")
        optimizer, schedule = _optimizer(network, recipe, steps_per_epoch=-(-len(images) // recipe.batch_size))
        for epoch in range(recipe.epochs):
            loss = _epoch(network, optimizer, schedule, images, labels, recipe.batch_size)
            log.info("%s epoch %d of %d: loss %.4f", name, epoch + 1, recipe.epochs, loss)
    return network.eval()


def accuracy(network: nn.Module, split: Split) -> float:
    """Top-1 accuracy in % on one set of digits."""
    images, labels = _tensors(split)
    with torch.inference_mode():
        correct: Tensor = network(images).argmax(1) == labels
    return float(correct.double().mean()) * 100


def augment(images: Tensor) -> Tensor:
    """Shifts by up to a pixel, turns by up to 14°, zooms by up to 15 %, drawn per image; keeps the shape."""
    count = len(images)
    angle = (torch.rand(count) - 0.5) * 0.5
    zoom = 1 + (torch.rand(count) - 0.5) * 0.3
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(count, 2, 2)
    shift = (torch.rand(count, 2, 1) - 0.5) * 0.5  # half of the image's side is 1.0, so one pixel is 0.25
    grid = functional.affine_grid(torch.cat([turn * zoom.view(-1, 1, 1), shift], 2), list(images.shape), False)
    return functional.grid_sample(images, grid, align_corners=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the chosen networks, prints one line for each, and writes `NAME.safetensors`."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else NETWORKS:
        start = time.perf_counter()
        network = train(name, RECIPES[name])
        size = _save(network, options.out / f"{name}.safetensors")
        scores = ", ".join(f"{split} {accuracy(network, split):.2f} %" for split in ("train", "evaluation"))
        sys.stdout.write(f"{name}: {scores}, {size / 1e6:.2f} MB, {time.perf_counter() - start:.0f} s\n")
        sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m qdash.demo.train", description="Train the demo networks.")
    parser.add_argument("--only", choices=list(NETWORKS), help="train this network alone")
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR", help="where the weights go")
    parser.add_argument("--verbose", action="store_true", help="a line per epoch")
    return parser.parse_args(arguments)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """One thread, so that no sum depends on the number of cores; networks this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _optimizer(network: nn.Module, recipe: Recipe, steps_per_epoch: int) -> tuple[Optimizer, OneCycleLR]:
    # Optimizer's own signature has no learning rate; every class of RECIPES has these two arguments.
    make: Callable[..., Optimizer] = recipe.optimizer
    optimizer = make(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * steps_per_epoch
    return optimizer, OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)


def _epoch(
    network: nn.Module, optimizer: Optimizer, schedule: OneCycleLR, images: Tensor, labels: Tensor, batch_size: int
) -> float:
    """One pass in random order; the mean loss per sample."""
    total = 0.0
    order = torch.randperm(len(images))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        loss = functional.cross_entropy(network(augment(images[rows])), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        total += loss.item() * len(rows)
    return total / len(images)


def _tensors(split: Split) -> tuple[Tensor, Tensor]:
    images, labels = digits(split)
    return torch.from_numpy(images), torch.from_numpy(labels)


def _save(network: nn.Module, file: Path) -> int:
    """Writes the weights and returns the size in bytes."""
    return file.write_bytes(save(network.state_dict()))


if __name__ == "__main__":
    main()
