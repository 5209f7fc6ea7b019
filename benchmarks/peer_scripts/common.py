"""What every script shares: the given model and batches, the clock, the KL divergence, the row. Needs torch alone."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks import materials

THREADS_VARIABLE = "QDASH_BENCHMARK_THREADS"


@dataclass
class Clock:
    """CPU seconds of this process, all its threads, by part; a part inside another counts for itself alone."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started, before = time.process_time(), self.total
        try:
            yield
        finally:
            inside = self.total - before
            self.parts[name] = self.parts.get(name, 0.0) + time.process_time() - started - inside

    @property
    def total(self) -> float:
        """Over all parts."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Given:
    """Model, batches and FP32 outputs: made before the clock runs, and so free for everybody."""

    model: nn.Module
    batches: Sequence[Tensor]
    labels: Sequence[Tensor]
    reference: Sequence[Tensor]

    @property
    def images(self) -> int:
        return sum(len(batch) for batch in self.batches)


def threads() -> int:
    """How many threads each contestant may use."""
    return int(os.environ.get(THREADS_VARIABLE, "1"))


def given() -> Given:
    """What the folder in the environment variable holds."""
    torch.set_num_threads(threads())
    model, (x, y), size = materials.model(), materials.samples(), int(materials.facts()["batch_size"])
    batches = x.split(size)
    with torch.no_grad():
        reference = [model(batch) for batch in batches]
    return Given(model, batches, y.split(size), reference)


def mean_kl(reference: Sequence[Tensor], outputs: Iterator[Tensor]) -> float:
    """KL(FP32 ‖ quantized) in nats, mean over all images; logits (n, classes) per batch."""
    total = 0.0
    for expected, got in zip(reference, outputs, strict=True):
        p, q = expected.log_softmax(1), got.log_softmax(1)
        total += nn.functional.kl_div(q, p, log_target=True, reduction="sum").item()
    return total / sum(len(expected) for expected in reference)


def show(
    version: str, clock: Clock, scores: Mapping[str, float], meaning: str, evaluations: str, **more: object
) -> None:
    """Prints the row. scores: by module path, larger means more sensitive. evaluations: passes over the images."""
    row = {
        "version": version,
        "cpu_s": clock.total,
        "parts": clock.parts,
        "layers": len(scores),
        "meaning": meaning,
        "evaluations": evaluations,
        "scores": {layer: float(score) for layer, score in scores.items()},
        **more,
    }
    sys.stdout.write("\n" + json.dumps(row) + "\n")


def module_path(scope: str) -> str:
    """The module's path from a node's name in an exported graph: `/layer2/layer2.0/conv1/Conv` is `layer2.0.conv1`."""
    parts = scope.strip("/").split("/")[:-1]
    return ".".join(
        part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(f"{part}.")
    )
