#!/usr/bin/env bash
# The guess: of two Q/DQ pairs in a row (the output grid of one layer, then the input grid of the next) the second has
#   the last word: whatever leaves it lies on its grid. And session.disable_quant_qdq=1 runs the file as written.
# What happens: ONNX Runtime merges two pairs of one integer type into a single one with a scale of its own. With steps
#   0.01 and then 0.03 the coarse pair vanishes and 256 levels remain where the file has 86. With equal steps but
#   another zero point, the two ranges overlap in [0, 1.27] and the merged step is half of what both pairs say.
#   disable_quant_qdq changes nothing here; switching off "DoubleQDQPairsRemover" does.
# Who meets it: exporters that write a pair for each layer's output and for its input, and everybody who compares a
#   simulation with the runtime level by level: the runtime looks better than the plan, or off by up to a step.
# Seen 2026-11-27 with onnxruntime 1.32.0, onnx 1.23.2 (CPU provider).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

x = np.linspace(-4, 4, 8001, dtype=np.float32)


def levels(first, second, as_written=False, disabled=None):
    """How many values leave two pairs of int8, each a (scale, zero point), and how far apart neighbours lie."""
    nodes, constants = [], []
    for pair, (scale, zero), source, target in ((1, first, "x", "middle"), (2, second, "middle", "y")):
        grid = [f"s{pair}", f"z{pair}"]
        nodes.append(helper.make_node("QuantizeLinear", [source, *grid], [f"q{pair}"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"q{pair}", *grid], [target]))
        constants += map(numpy_helper.from_array, (np.float32(scale), np.int8(zero)), grid)
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(x.shape)) for name in "xy"]
    graph = helper.make_graph(nodes, "pairs", info[:1], info[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if as_written:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
    )
    found = np.unique(session.run(None, {"x": x})[0])
    return len(found), round(float(np.diff(found).mean()), 4)


print("onnxruntime", ort.__version__, "onnx", onnx.__version__)
seen = []
cases = ("steps 0.01, 0.03", (0.01, 0), (0.03, 0)), ("zero points 0, -128", (0.01, 0), (0.01, -128))
for name, first, second in cases:
    seen.append((
        levels(first, second),
        levels(first, second, as_written=True),
        levels(first, second, disabled=["DoubleQDQPairsRemover"]),
    ))  # fmt: skip
    print(f"{name}: (levels, mean step) by default {seen[-1][0]}, with disable_quant_qdq {seen[-1][1]},", end=" ")
    print("without the merging", seen[-1][2])
assert seen[0] == ((256, 0.01), (256, 0.01), (86, 0.03)), "CHANGED: the coarse second pair is no longer dropped"
assert seen[1] == ((256, 0.005), (256, 0.005), (128, 0.01)), "CHANGED: the merged step is no longer half of both"
print("As described.")
PYTHON
