#!/usr/bin/env bash
# The guess: torch.onnx.export of a quantize_per_tensor with quant_min=-8, quant_max=7 keeps the 16 levels, with a Clip
#   or an int4 type; or it refuses.
# What happens: the dynamo exporter writes QuantizeLinear to int8 and forgets both limits. Without an error or a
#   warning about it the file has up to 256 levels and saturates at 16 times the range: the 4-bit model is an 8-bit
#   one. The per-channel operator does keep a Clip, so a test of the weights alone passes.
# Who meets it: PT2E graphs with fewer than 8 bits, or with a narrow range (-127 to 127) or 7-bit activations; the
#   exported file looks better than what will be deployed, or fits no integer kernel for 4 bits.
# Seen 2026-11-27 with torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.ao.quantization.fx._decomposed  # registers the operators

ops = torch.ops.quantized_decomposed


class PerTensor(torch.nn.Module):
    def forward(self, x):
        q = ops.quantize_per_tensor(x, 0.1, 0, -8, 7, torch.int8)
        return ops.dequantize_per_tensor(q, 0.1, 0, -8, 7, torch.int8)


class PerChannel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor([0.1]))
        self.register_buffer("zero", torch.tensor([0]))

    def forward(self, x):
        q = ops.quantize_per_channel(x, self.scale, self.zero, 0, -8, 7, torch.int8)
        return ops.dequantize_per_channel(q, self.scale, self.zero, 0, -8, 7, torch.int8)


x = torch.linspace(-2, 2, 401)[None]
print("torch", torch.__version__, "onnx", onnx.__version__, "onnxruntime", ort.__version__)
levels, operators = {}, {}
for kind in (PerTensor, PerChannel):
    program = torch.onnx.export(kind().eval(), (x,), dynamo=True, verbose=False)
    file = program.model_proto.SerializeToString()
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    exported = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    name = kind.__name__
    levels[name] = len(kind()(x).unique()), len(np.unique(exported))
    operators[name] = [node.op_type for node in program.model_proto.graph.node]
    print(f"{name}: levels in torch and in the file: {levels[name]};", end=" ")
    print(f"range in the file: {exported.min():.1f} to {exported.max():.1f}")
    print("   ", *operators[name])
assert levels["PerTensor"][0] == 16, "CHANGED: torch itself"
assert levels["PerTensor"][1] > 16 and "Clip" not in operators["PerTensor"], "CHANGED: the range is kept now"
assert levels["PerChannel"][1] == 16, "CHANGED: the per-channel operator loses its range, too"
print("As described.")
PYTHON
