"""ONNX Runtime has no sensitivity sweep: the one written by hand quantizes a single node at a time, calibrated once."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from benchmarks.peer_scripts.common import Clock, given, mean_kl, module_path, show, threads

WEIGHTED = ("Conv", "Gemm", "MatMul")


class Reader(CalibrationDataReader):
    """The batches, one after the other."""

    def __init__(self, batches: Sequence[np.ndarray]):
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"x": batch}


def main() -> None:
    logging.getLogger().setLevel(logging.ERROR)
    subject, clock = given(), Clock()
    batches = [batch.numpy() for batch in subject.batches]
    with tempfile.TemporaryDirectory() as folder:
        exported, target = Path(folder) / "fp32.onnx", Path(folder) / "quantized.onnx"
        with clock.part("export"):
            export(subject.model, subject.batches[0][:2], exported)
        with clock.part("calibration"):
            quantize(exported, target, batches, None)
        scores = {}
        for node in [node.name for node in onnx.load(exported).graph.node if node.op_type in WEIGHTED]:
            with clock.part("quantization"):
                quantize(exported, target, batches, [node])
            with clock.part("sweep"):
                scores[module_path(node)] = mean_kl(subject.reference, outputs(target, batches))
    meaning = "KL of the model's output, nats; exact, on its INT8 kernels"
    show(onnxruntime.__version__, clock, scores, meaning, f"{len(scores)} + 1")


def export(model: torch.nn.Module, example: Tensor, target: Path) -> None:
    """With a free batch axis, and prepared for quantization as its documentation asks."""
    raw, axis = target.with_suffix(".raw.onnx"), {0: "n"}
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": axis, "y": axis}}
    torch.onnx.export(model, (example,), raw, opset_version=17, dynamo=False, **names)
    quant_pre_process(raw, target, skip_symbolic_shape=True)


def quantize(exported: Path, target: Path, batches: Sequence[np.ndarray], nodes: list[str] | None) -> None:
    """int8 weights per channel, uint8 activations; min-max ranges, calibrated at the first call alone."""
    quantize_static(
        exported,
        target,
        Reader(batches),
        nodes_to_quantize=nodes,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibration_cache_path=str(target.with_suffix(".ranges.json")),
    )


def outputs(file: Path, batches: Sequence[np.ndarray]) -> Iterator[Tensor]:
    """Logits of every batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads(), 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for batch in batches:
        yield torch.from_numpy(session.run(None, {"x": batch})[0])


if __name__ == "__main__":
    main()
