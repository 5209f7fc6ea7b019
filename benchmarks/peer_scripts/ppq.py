"""PPQ: `layerwise_error_analyse` quantizes one operation at a time and compares the network's output."""

import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from ppq import QuantizationSettingFactory, TargetPlatform, layerwise_error_analyse
from ppq.api import quantize_onnx_model

from benchmarks.peer_scripts.common import Clock, given, module_path, show

LEAST_CALIBRATION_STEPS = 8  # it refuses fewer


def main() -> None:
    warnings.filterwarnings("ignore")
    subject, clock = given(), Clock()
    batches = list(subject.batches)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        with clock.part("export"):
            names = {"input_names": ["x"], "output_names": ["y"]}
            torch.onnx.export(subject.model, (batches[0],), file, opset_version=11, dynamo=False, **names)
        with clock.part("calibration"):
            graph = quantize_onnx_model(
                onnx_import_file=str(file),
                calib_dataloader=batches,
                calib_steps=max(LEAST_CALIBRATION_STEPS, len(batches)),
                input_shape=list(batches[0].shape),
                platform=TargetPlatform.PPL_CUDA_INT8,
                setting=QuantizationSettingFactory.default_setting(),
                collate_fn=lambda batch: batch,
                device="cpu",
                verbose=0,
            )
    with clock.part("sweep"):
        found = layerwise_error_analyse(
            graph=graph,
            running_device="cpu",
            collate_fn=lambda batch: batch,
            dataloader=batches,
            steps=len(batches),
            verbose=False,
        )
    scores = {module_path(name): score for name, score in found.items()}
    meaning = "noise over signal of the model's output; exact"
    show(version("ppq"), clock, scores, meaning, f"{2 * len(scores)} + {LEAST_CALIBRATION_STEPS} batches")


if __name__ == "__main__":
    main()
