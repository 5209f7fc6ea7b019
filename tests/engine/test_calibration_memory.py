"""The peak memory of a calibration pass doesn't grow with the number of samples."""

import subprocess
import sys

SCRIPT = """
import resource, sys
import torch
from qdash.engine.calibrate import calibrate
from qdash.demo.networks import build
from qdash.instrument.calls import Instrument
from qdash.tensors.samples import Batch
from qdash.sweep.prepare.layers import kinds_of

torch.set_num_threads(1)
model = build("digits-resnet").eval()
generator = torch.Generator().manual_seed(0)


def batches(samples):
    for _ in range(samples // 25):
        yield Batch((torch.rand(25, 1, 8, 8, generator=generator),), {}, None, 25)


with Instrument(model) as instrument:
    found = calibrate(instrument, kinds_of(instrument.modules), batches(int(sys.argv[1])), seed=0)
assert len(next(iter(found.layers.values())).input.batch_minimum) == int(sys.argv[1]) // 25
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(samples: int) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(samples)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_four_thousand_samples_need_no_more_than_four_hundred():
    assert peak(4_000) <= 1.05 * peak(400)
