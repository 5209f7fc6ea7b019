#!/usr/bin/env bash
# The guess: Cast from float to an integer drops the fraction, whatever the number of bits: 7.5 becomes 7 in int4 as it
#   does in int8, since 7 is the largest int4 and nothing overflows.
# What happens: ONNX Runtime truncates to int8 and every wider integer, but rounds (halves away from zero) to int4 and
#   int2, and then keeps the low bits. 2.5 is 2 in int8 and 3 in int4; 7.5 is 7 in int8 and -8 in int4: the largest
#   values change sign. QuantizeLinear does neither: it rounds halves to even and saturates.
# Who meets it: who packs weights by Clip and Cast, or turns an int8 graph into an int4 one by changing the target type;
#   a clip to [-8, 7.99], harmless under truncation, flips the sign of a grid's top. Round before the Cast.
# Seen 2026-11-27 with onnxruntime 1.32.0, onnx 1.23.2 (CPU provider).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

x = np.array([0.6, 1.5, 2.5, 6.9, 7.4, 7.5, 7.9, -0.6, -7.5], np.float32)  # truncated, all of them fit into int4


def run(nodes, constants=()):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "cast", [info("x", TensorProto.FLOAT, [x.size])], [info("y", TensorProto.FLOAT, [x.size])], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].astype(int).tolist()


def cast(kind):
    back = helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT)
    return run([helper.make_node("Cast", ["x"], ["q"], to=kind), back])


grid = [helper.make_tensor("s", TensorProto.FLOAT, [], [1.0]), helper.make_tensor("z", TensorProto.INT4, [], [0])]
pair = [
    helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
    helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
]
seen = {
    "Cast to INT8": cast(TensorProto.INT8), "Cast to INT4": cast(TensorProto.INT4), "QuantizeLinear": run(pair, grid),
}  # fmt: skip
print("onnxruntime", ort.__version__, "onnx", onnx.__version__)
for name, values in {"x": [round(float(v), 1) for v in x], **seen}.items():
    print(f"{name:15}", "".join(f"{value:6}" for value in values))
assert seen["Cast to INT8"] == [0, 1, 2, 6, 7, 7, 7, 0, -7], "CHANGED: Cast to INT8 no longer truncates"
assert seen["Cast to INT4"] == [1, 2, 3, 7, 7, -8, -8, -1, -8], "CHANGED: Cast to INT4 no longer rounds and wraps"
assert seen["QuantizeLinear"] == [1, 2, 2, 7, 7, 7, 7, -1, -8], "CHANGED: QuantizeLinear to INT4"
print("As described.")
PYTHON
