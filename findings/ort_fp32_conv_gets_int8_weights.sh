#!/usr/bin/env bash
# The guess: a convolution that the quantized file leaves in FP32 (float weights, no Q/DQ pair on them) runs with those
#   weights. "Excluded" means excluded.
# What happens: where that Conv stands between a DequantizeLinear and a QuantizeLinear, ONNX Runtime quantizes its
#   weights while it loads the file: to int8, with one scale for the whole tensor. Small output channels suffer most.
#   The file still shows FP32; only the graph that was optimized tells. Switching off the optimizer
#   "WeightBiasQuantization" gives back what was written.
# Who meets it: everybody who keeps a sensitive layer in FP32 and quantizes its neighbours; the weights kept for their
#   spread between channels are those that one scale hurts most.
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

rng = np.random.default_rng(0)
weight = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
weight *= np.logspace(0, -2, 16, dtype=np.float32)[:, None, None, None]  # channels from 1 down to 0.01
x = rng.standard_normal((1, 8, 12, 12)).astype(np.float32)

nodes = [
    helper.make_node("QuantizeLinear", ["x", "s_x", "z_x"], ["x8"]),
    helper.make_node("DequantizeLinear", ["x8", "s_x", "z_x"], ["x_dq"]),
    helper.make_node("Conv", ["x_dq", "weight"], ["conv"]),  # FP32 weights, meant to stay so
    helper.make_node("QuantizeLinear", ["conv", "s_y", "z_y"], ["y16"]),  # 16 bits: hardly any error of its own
    helper.make_node("DequantizeLinear", ["y16", "s_y", "z_y"], ["y"]),
]
constants = {
    "s_x": np.float32(4 / 127), "z_x": np.int8(0), "weight": weight, "s_y": np.float32(40 / 32767), "z_y": np.int16(0),
}  # fmt: skip
graph = helper.make_graph(
    nodes, "fp32_conv",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 12, 12])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 10, 10])],
    [numpy_helper.from_array(value, name) for name, value in constants.items()],
)  # fmt: skip
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
onnx.checker.check_model(model)


def run(disabled):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = "optimized.onnx"
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
    )
    kept = [t for t in onnx.load("optimized.onnx").graph.initializer if list(t.dims) == [16, 8, 3, 3]]
    return session.run(None, {"x": x})[0], TensorProto.DataType.Name(kept[0].data_type)


loaded, loaded_type = run(None)
written, written_type = run(["WeightBiasQuantization"])
decibels = 10 * np.log10((written**2).mean((0, 2, 3)) / ((loaded - written) ** 2).mean((0, 2, 3)))
print("onnxruntime", ort.__version__, "onnx", onnx.__version__)
print("type of the Conv's weights: written FLOAT, loaded", loaded_type, "- without that optimizer", written_type)
print(f"output against what was written: largest channel {decibels[0]:.1f} dB, smallest {decibels[-1]:.1f} dB")
assert loaded_type == "INT8" and written_type == "FLOAT", "CHANGED: the FP32 weights are now kept"
assert decibels[-1] < 15 < decibels[0], "CHANGED: one scale for the whole weight no longer explains the output"
print("As described.")
PYTHON
