#!/usr/bin/env bash
# The guess: 8 bits in the same blocks of 32 are never worse than 4 bits, and the error relative to the weights doesn't
#   depend on how large they are, since each block has its own scale.
# What happens: the scale of a block is FP16, and that of Q8_0 (largest / 127) is 16 times smaller than that of Q4_0
#   (largest / 8). With weights around 1e-5 it has few bits left or none: from there on Q8_0 is worse than Q4_0, and at
#   1e-6 all weights become 0 in Q8_0 while Q4_0 still keeps 19 dB.
# Who meets it: layers that hold their size elsewhere (a norm's gain behind a small weight, updates such as LoRA's, rows
#   that training left near zero), and mixed schemes that give the "safe" 8 bits to exactly those. Multiply such a
#   weight by a constant first.
# Seen 2026-11-27 with gguf 0.19.0, numpy 2.4.6.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check gguf==0.19.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

weight = np.random.default_rng(0).standard_normal((64, 1024))


def decibels(size, kind):
    w = (weight * size).astype(np.float32)
    error = dequantize(quantize(w, kind), kind).astype(np.float64) - w
    return 10 * np.log10(np.square(w, dtype=np.float64).mean() / np.square(error).mean())


print("gguf", version("gguf"), "numpy", np.__version__)
print("standard deviation   Q8_0   Q4_0   (SQNR in dB)")
seen = {}
for size in (1.0, 1e-3, 1e-4, 1e-5, 5e-6, 1e-6):
    seen[size] = [decibels(size, kind) for kind in (GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0)]
    print(f"{size:18g} {seen[size][0]:6.1f} {seen[size][1]:6.1f}")
assert seen[1.0][0] > 44 and 20 < seen[1.0][1] < 23, "CHANGED: weights of ordinary size"
assert seen[5e-6][0] < seen[5e-6][1] - 5, "CHANGED: Q8_0 is no longer worse than Q4_0 for small weights"
assert abs(seen[1e-6][0]) < 0.1 and seen[1e-6][1] > 18, "CHANGED: Q8_0 no longer loses the smallest weights"
print("As described.")
PYTHON
