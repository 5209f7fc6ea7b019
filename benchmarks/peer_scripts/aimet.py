"""AIMET's QuantAnalyzer: one layer's quantizers enabled at a time (half of what its `analyze()` does)."""

import tempfile
from importlib.metadata import version

import torch
from torch import nn

from benchmarks.models import Add
from benchmarks.peer_scripts import torchvision_stub
from benchmarks.peer_scripts.common import Clock, given, mean_kl, show

torchvision_stub.install()
from aimet_torch.common.defs import QuantScheme  # noqa: E402
from aimet_torch.common.utils import CallbackFunc  # noqa: E402
from aimet_torch.nn.modules import custom  # noqa: E402
from aimet_torch.quant_analyzer import QuantAnalyzer  # noqa: E402


def main() -> None:
    subject, clock, evaluations = given(), Clock(), 0
    _use_known_sums(subject.model)

    def forward(model: nn.Module, _: object = None) -> None:
        with torch.no_grad():
            for batch in subject.batches:
                model(batch)

    def evaluate(model: nn.Module, _: object = None) -> float:
        nonlocal evaluations
        evaluations += 1
        with torch.no_grad():
            return -mean_kl(subject.reference, (model(batch) for batch in subject.batches))

    analyzer = QuantAnalyzer(subject.model, subject.batches[0][:1], CallbackFunc(forward), CallbackFunc(evaluate))
    with clock.part("calibration"):
        simulation = analyzer._create_quantsim_and_encodings(QuantScheme.post_training_tf, 8, 8, None)
    with tempfile.TemporaryDirectory() as folder, clock.part("sweep"):
        found = analyzer.perform_per_layer_analysis_by_enabling_quant_wrappers(simulation, folder)
    scores = {name: -value for name, value in found.items()}
    show(version("aimet-torch"), clock, scores, "KL of the model's output, nats; exact", f"{evaluations} + 1")


def _use_known_sums(model: nn.Module) -> None:
    """AIMET quantizes module types that it knows: its own sum takes the place of ours."""
    for module in list(model.modules()):
        if isinstance(getattr(module, "add", None), Add):
            module.add = custom.Add()


if __name__ == "__main__":
    main()
