#!/usr/bin/env bash
# The guess: zeros are exact in every number format, so a layer whose weights are all zero stays a layer of zeros.
# What happens: with torchao's NVFP4 weights as configured by default (two levels of scales) such a layer returns NaN,
#   and so does everything behind it: the scale of the tensor is its largest magnitude over 2688, here 0, and the block
#   scales are divided by it. With one level of scales the same layer is exactly zero.
# Who meets it: models with layers started at zero and not (or hardly) trained: LoRA's B, the last layer of a residual
#   or control branch (as in zero-initialized blocks of diffusion models), pruned layers. The FP32 model is fine.
# Seen 2026-11-27 with torchao 0.18.0 (prototype.mx_formats), torch 2.13.0 (CPU).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 torchao==0.18.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import copy

import torch
import torchao
from torchao.prototype.mx_formats import NVFP4WeightOnlyConfig
from torchao.quantization import quantize_


class Residual(torch.nn.Module):
    """x plus a branch that starts as nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(32, 64, bias=False), torch.nn.Linear(64, 32, bias=False)
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, x):
        return x + self.last(torch.relu(self.first(x)))


torch.manual_seed(0)
model, x = Residual().bfloat16(), torch.randn(4, 32).bfloat16()
print("torch", torch.__version__, "torchao", torchao.__version__)
seen = {}
for two_levels in (True, False):
    config = NVFP4WeightOnlyConfig() if two_levels else NVFP4WeightOnlyConfig(use_dynamic_per_tensor_scale=False)
    quantized = copy.deepcopy(model)
    quantize_(quantized, config)
    with torch.no_grad():
        seen[two_levels] = quantized(x)
    name = "two levels of scales (default)" if two_levels else "one level"
    print(f"{name}: {seen[two_levels].isnan().float().mean():.0%} of the output is NaN")
with torch.no_grad():
    assert torch.equal(model(x), x), "the branch is nothing in full precision"
assert seen[True].isnan().all(), "CHANGED: a layer of zeros no longer becomes NaN by default"
assert torch.equal(seen[False], x), "CHANGED: with one level of scales the branch isn't nothing"
print("As described.")
PYTHON
