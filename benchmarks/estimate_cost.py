"""What the gradient estimate costs, in plain forwards of CPU time: `python -m benchmarks.estimate_cost`.

The whole command without the start and the imports: FP32 baseline, calibration, all-quantized model, one backward pass
(S = 1), all layers. Under one setting and under three, of which two are the further ones. ResNet-20 on 512 images.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import materials
from benchmarks.models import NETWORKS
from benchmarks.printed import printed

NETWORK, MODULE = "resnet20", "benchmarks.materials"
ONE_PASS = "gradient:passes=1:kl_passes=0:loss_passes=0"
SETTINGS = {1: "int8", 3: "int8,int6,int4"}
LIMIT, LIMIT_PER_SETTING = 6, 2


def main() -> int:
    """Prints the medians over the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = [_round() for _ in range(parser.parse_args().rounds)]
    first = statistics.median(costs[1] for costs in rounds)
    further = statistics.median((costs[3] - costs[1]) / 2 for costs in rounds)
    sys.stdout.write(f"one setting: {first:.2f} forwards (limit {LIMIT})\n")
    sys.stdout.write(f"each further setting: {further:.2f} forwards (limit {LIMIT_PER_SETTING})\n")
    return 0


def _round() -> dict[int, float]:
    """Number of settings → forwards. Plain inference is timed before and after, for the machine's speed drifts."""
    size = str(NETWORKS[NETWORK].batch_size)
    with tempfile.TemporaryDirectory() as folder:
        materials.write(Path(folder), NETWORK, NETWORKS[NETWORK].images)
        variables = {materials.FOLDER_VARIABLE: folder}
        plain = ["-m", "benchmarks.plain_inference", MODULE, "--batch-size", size]
        source = ["--model", f"python:{MODULE}:model", "--data", f"python:{MODULE}:samples", "--device", "cpu"]
        source += ["--calibration-data", f"python:{MODULE}:samples", "--batch-size", size, "--method", ONE_PASS]
        seconds, forwards = {}, [printed(plain, variables)["cpu_s"]]
        for settings, formats in SETTINGS.items():
            home = {"QDASH_HOME": f"{folder}/home-{settings}"}
            command = ["-m", "qdash", "sweep", *source, "--weight-format", formats, "--json", "-"]
            seconds[settings] = printed(command, variables | home)["cost"]["cpu_s"]
            forwards.append(printed(plain, variables)["cpu_s"])
    return {settings: spent / statistics.mean(forwards) for settings, spent in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
