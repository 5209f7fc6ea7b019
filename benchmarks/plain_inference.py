"""Plain inference in a process of its own: CPU seconds, peak memory, and the bytes that one recorded batch holds."""

import argparse
import importlib
import json
import sys
import time

import torch
from torch import Tensor, nn

from qdash.sweep.works.cost import peak_rss_mb


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module", help="has the functions model() and samples()")
    parser.add_argument("--batch-size", type=int, required=True)
    given = parser.parse_args()
    source = importlib.import_module(given.module)
    model, (x, _) = source.model().eval(), source.samples()
    started = time.process_time()
    with torch.no_grad():
        for batch in x.split(given.batch_size):
            model(batch)
        spent, peak_mb = time.process_time() - started, peak_rss_mb()
        recorded_mb = recorded_bytes(model, x[: given.batch_size]) / 1e6
    sys.stdout.write(json.dumps({"cpu_s": spent, "peak_rss_mb": peak_mb, "recorded_mb": recorded_mb}) + "\n")


def recorded_bytes(model: nn.Module, batch: Tensor) -> int:
    """Bytes of the outputs of all modules without children, each tensor once."""
    kept: dict[int, Tensor] = {}

    def hook(_: nn.Module, __: object, output: Tensor) -> None:
        kept[output.data_ptr()] = output  # kept, so that no later output takes its address

    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(hook)
    model(batch)
    return sum(tensor.nbytes for tensor in kept.values())


if __name__ == "__main__":
    main()
