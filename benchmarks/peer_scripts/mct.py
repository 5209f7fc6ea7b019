"""Model Compression Toolkit: the sensitivity table of its mixed-precision search, at 8, 4 and 2 bits for each node."""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version

import numpy as np

from benchmarks.peer_scripts import torchvision_stub
from benchmarks.peer_scripts.common import Clock, given, show

torchvision_stub.install()
import model_compression_toolkit as mct  # noqa: E402
from model_compression_toolkit.core.common.mixed_precision import mixed_precision_search_manager  # noqa: E402
from model_compression_toolkit.core.common.mixed_precision.sensitivity_eval import (  # noqa: E402
    sensitivity_evaluation,
)

WEIGHTS_MEMORY = 0.6  # bytes per parameter: a target between the bit widths, so that it has to search
Manager = mixed_precision_search_manager.MixedPrecisionSearchManager
Evaluation = sensitivity_evaluation.SensitivityEvaluation


class TableDone(Exception):
    """Ends the search once the table stands: solving for a plan is another question."""


def main() -> None:
    warnings.filterwarnings("ignore")
    subject, clock = given(), Clock()
    scores: dict[str, float] = {}
    evaluations = count_evaluations()
    stop_after_table(clock, scores)

    def data() -> Iterator[list[np.ndarray]]:
        for batch in subject.batches:
            yield [batch.numpy()]

    target = WEIGHTS_MEMORY * sum(parameter.numel() for parameter in subject.model.parameters())
    search = mct.core.MixedPrecisionQuantizationConfig(num_of_images=subject.images, use_hessian_based_scores=False)
    with suppress(TableDone), clock.part("calibration"):
        mct.ptq.pytorch_post_training_quantization(
            subject.model,
            data,
            target_resource_utilization=mct.core.ResourceUtilization(weights_memory=target),
            core_config=mct.core.CoreConfig(mixed_precision_config=search),
        )
    meaning = "distance at interest points, at 8 bits; exact"
    show(version("model-compression-toolkit"), clock, scores, meaning, f"{len(evaluations)} + 1 (three widths)")


def count_evaluations() -> list[None]:
    """Grows by one with every evaluation."""
    seen: list[None] = []
    compute = Evaluation.compute_metric

    def counted(self: object, *args: object, **kwargs: object) -> object:
        seen.append(None)
        return compute(self, *args, **kwargs)

    Evaluation.compute_metric = counted
    return seen


def stop_after_table(clock: Clock, scores: dict[str, float]) -> None:
    """Its public call gives the table to nobody: takes it where it is made."""
    build = Manager._build_sensitivity_mapping

    def stopped(self: Manager) -> None:
        with clock.part("sweep"):
            table = build(self)
        for node, values in table.items():
            attribute = self.fw_info.get_kernel_op_attributes(node.type)[0]
            for candidate, value in zip(node.candidates_quantization_cfg, values, strict=True):
                if candidate.weights_quantization_cfg.get_attr_config(attribute).weights_n_bits == 8:
                    scores[_module_path(node.name)] = float(value)
        raise TableDone

    Manager._build_sensitivity_mapping = stopped


def _module_path(node: str) -> str:
    """`layer1_0_conv1_bn` is `layer1.0.conv1` with its BatchNorm folded."""
    stage, _, rest = node.removesuffix("_bn").partition("_")
    return f"{stage}.{rest.replace('_', '.')}" if rest else stage


if __name__ == "__main__":
    main()
