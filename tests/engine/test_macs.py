"""Multiply-accumulates that functional operations do, against torch's own counter."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from qdash.engine.macs import other_work
from qdash.instrument.calls import Instrument
from qdash.tensors.samples import Batch


class Functional(nn.Module):
    """Products and convolutions that no layer does."""

    def __init__(self):
        super().__init__()
        self.kernel, self.weight = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.randn(5, 4))

    def forward(self, x):
        y = F.conv2d(x, self.kernel).flatten(2).transpose(1, 2)
        return F.linear(y @ y.transpose(1, 2) @ y, self.weight)


@pytest.mark.parametrize("model", [Functional(), nn.Sequential(Functional(), nn.Linear(5, 2))])
def test_it_agrees_with_torchs_counter(model):
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    with Instrument(model) as instrument:
        found = other_work(instrument, {}, Batch((x,), {}, None, 2), {})
    assert sum(found.values()) == counter.get_total_flops() / 2 / 2


def test_a_sweep_loads_neither_the_compiler_nor_sympy(tmp_path):
    command = "sweep --model demo:digits-lstm --data demo:digits --samples 8 --calibration-samples 8"
    program = f"""import sys
from qdash.cli.app import run
code = run({command.split()!r})
sys.exit(3 if {{"torch._dynamo", "sympy"}} & set(sys.modules) else code)"""
    environment = {"QDASH_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
