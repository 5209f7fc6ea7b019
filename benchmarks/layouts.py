"""What the memory format, the heap and a compiler win: `python -m benchmarks.layouts`.

CPU seconds of one thread, variants in turn, median of the rounds; the sweeps are those of `benchmarks.peers`.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import materials
from benchmarks.contestants import LEAN, Contestant
from benchmarks.models import NETWORKS
from benchmarks.running import Place, run

_VARIANTS = {
    "contiguous, usual heap": ("--memory-format", "contiguous", "--usual-heap"),
    "channels-last, usual heap": ("--usual-heap",),
    "channels-last, heap reused": (),
}
_METHODS = {"exact": "one_at_a_time", "gradient, one pass": LEAN}


def main() -> int:
    """Prints one line per sweep and variant, then one per way to fake-quantize."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layouts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS:
            place = Place(Path(folder), Path(folder) / network)
            materials.write(place.materials, network, NETWORKS[network].images)
            for method, text in _METHODS.items():
                _compare(f"{network}, {method}", text, place, given.rounds)
    _fake_quantize(given.rounds)
    return 0


def _compare(label: str, method: str, place: Place, rounds: int) -> None:
    contestants = {n: Contestant(n, "qdash_sweep", ("--method", method, *more)) for n, more in _VARIANTS.items()}
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            found[name].append(run(contestant, place)["cpu_s"])
    _show(label, found)


def _fake_quantize(rounds: int) -> None:
    """Of one activation of ResNet-20's first stage, 128 images: ours, torch's fused operator, and ours compiled."""
    from qdash.quant.affine import fake_quantize

    torch.set_num_threads(1)
    x, scale = torch.randn(128, 16, 32, 32), torch.tensor(0.02)
    compiled = torch.compile(lambda x: x.div(scale).round().clamp(-131, 124).mul(scale))  # the same, one formula
    ways: dict[str, Callable[[], object]] = {
        "qdash, in place": lambda: fake_quantize(x, scale, torch.tensor(3), -128, 127),
        "torch.fake_quantize_per_tensor_affine": lambda: torch.fake_quantize_per_tensor_affine(x, 0.02, 3, -128, 127),
        "qdash, torch.compile": lambda: compiled(x),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        start = time.process_time()
        way()
        sys.stdout.write(f"first call, {name}: {time.process_time() - start:.2f} CPU s\n")
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(20):
                way()
            found[name].append((time.process_time() - start) / 20)
    _show("fake-quantize 128 × 16 × 32 × 32", found)


def _show(label: str, found: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(times) for name, times in found.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        sys.stdout.write(f"{label}: {name}: {median:.3g} CPU s, ratio {median / first:.2f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
