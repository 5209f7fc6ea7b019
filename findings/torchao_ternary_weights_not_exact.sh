#!/usr/bin/env bash
# The guess: ternary weights, each row holding -a, 0 and a only, survive 2-bit symmetric quantization by row exactly:
#   -1, 0 and 1 are int2 numbers.
# What happens: torchao's symmetric grid lays the largest magnitude at 1.5 steps (qmax + 0.5), half-way between levels.
#   1.5 is rounded up and cut off, -1.5 is rounded down and fits: a comes back as 2/3 a and -a as -4/3 a. In about
#   one row of seven the last bit of the scale breaks the tie the other way, and -a becomes -2/3 a. 4 bits miss ternary
#   weights as well (14/15, -16/15). MappingType.SYMMETRIC_NO_CLIPPING_ERR gives them back, but for FP32's rounding.
# Who meets it: ternary models (BitNet and the like), and those trained under quantization on a narrow grid, when
#   they are handed to torchao; whoever compares with a tool that divides by qmax.
# Seen 2026-11-27 with torchao 0.18.0, torch 2.13.0 (CPU).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 torchao==0.18.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import torch
import torchao
from torchao.quantization import IntxWeightOnlyConfig, quantize_
from torchao.quantization.granularity import PerAxis
from torchao.quantization.quant_primitives import MappingType

generator = torch.Generator().manual_seed(0)
a = torch.rand((2000, 1), generator=generator) * 0.1 + 0.001  # one for each row
signs = torch.tensor([-1.0, 0.0, 1.0, 1.0, -1.0, 0.0])
weight = a * signs


def quantized(dtype, mapping):
    layer = torch.nn.Sequential(torch.nn.Linear(*weight.T.shape, bias=False))
    layer[0].weight.data = weight.clone()
    quantize_(layer, IntxWeightOnlyConfig(weight_dtype=dtype, granularity=PerAxis(0), mapping_type=mapping))
    return layer[0].weight.dequantize()


print("torch", torch.__version__, "torchao", torchao.__version__)
seen = {}
for mapping in (MappingType.SYMMETRIC, MappingType.SYMMETRIC_NO_CLIPPING_ERR):
    for bits, dtype in ((2, torch.int2), (4, torch.int4)):
        result = quantized(dtype, mapping)
        decibels = 10 * torch.log10(weight.square().mean() / (result - weight).square().mean()).item()
        below, above = ((result / a)[:, column] for column in (0, 2))
        seen[mapping.name, bits] = below, above, decibels
        values, counts = below.mul(1000).round().div(1000).unique(return_counts=True)
        rows = ", ".join(f"{value:.3f} ({count} rows)" for value, count in zip(values.tolist(), counts.tolist()))
        print(f"{mapping.name}, {bits} bits: 1 becomes {above.mean():.3f}; -1 becomes {rows}; {decibels:.1f} dB")
below, above, decibels = seen["SYMMETRIC", 2]
assert (above - 2 / 3).abs().max() < 0.01 and 7 < decibels < 12, "CHANGED: a no longer becomes 2/3 a in int2"
assert 0.5 < ((below + 4 / 3).abs() < 0.01).float().mean() < 1, "CHANGED: -a no longer becomes -4/3 a in most rows"
assert seen["SYMMETRIC", 4][2] < 26, "CHANGED: int4 keeps ternary weights"
assert seen["SYMMETRIC_NO_CLIPPING_ERR", 2][2] > 100, "CHANGED: the exact mapping"
print("As described.")
PYTHON
