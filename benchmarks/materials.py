"""The model and the samples that all contestants get: written once per run, read by every script."""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.models import NETWORKS, images, seeded

WEIGHTS, SAMPLES, FACTS = "weights.pt", "samples.npz", "facts.json"
FOLDER_VARIABLE = "QDASH_BENCHMARK_FOLDER"


@torch.no_grad()
def write(folder: Path, network: str, count: int) -> None:
    """Weights, images (count, 3, side, side) and labels, which are the FP32 model's own answers."""
    folder.mkdir(parents=True, exist_ok=True)
    model, x = seeded(network, count), images(network, count)
    labels = torch.cat([model(batch).argmax(1) for batch in x.split(model.batch_size)])
    torch.save(model.state_dict(), folder / WEIGHTS)
    np.savez(folder / SAMPLES, x=x.numpy(), y=labels.numpy())
    facts = {"network": network, "images": count, "batch_size": model.batch_size}
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


@cache
def facts() -> dict[str, int | str]:
    """What was written to the folder that the environment variable names."""
    return json.loads((_folder() / FACTS).read_text(encoding="utf-8"))


@cache
def model() -> nn.Module:
    """In evaluation mode; the same object at every call."""
    built = NETWORKS[str(facts()["network"])]()
    built.load_state_dict(torch.load(_folder() / WEIGHTS, weights_only=True))
    return built.eval()


@cache
def samples() -> tuple[Tensor, Tensor]:
    """Images and labels."""
    with np.load(_folder() / SAMPLES) as arrays:
        return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


def _folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])
