"""PyTorch's own numeric suite: every layer runs in FP32 and in INT8 side by side, in one pass; local errors only."""

import warnings

import torch
from torch.ao.ns._numeric_suite_fx import (
    convert_n_shadows_model,
    extract_results_n_shadows_model,
    loggers_set_enabled,
    loggers_set_save_activations,
    prepare_n_shadows_model,
)
from torch.ao.ns.fx.qconfig_multi_mapping import QConfigMultiMapping
from torch.ao.quantization import QConfig, QConfigMapping
from torch.ao.quantization.backend_config import get_native_backend_config
from torch.ao.quantization.observer import MinMaxObserver, PerChannelMinMaxObserver
from torch.fx.experimental.optimization import fuse

from benchmarks.peer_scripts.common import Clock, given, show


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.backends.quantized.engine = "x86"
    subject, clock = given(), Clock()
    per_channel = {"dtype": torch.qint8, "qscheme": torch.per_channel_symmetric}
    quantization = QConfig(
        activation=MinMaxObserver.with_args(dtype=torch.quint8),
        weight=PerChannelMinMaxObserver.with_args(**per_channel),
    )
    mapping = QConfigMultiMapping.from_list_qconfig_mapping([QConfigMapping().set_global(quantization)])
    with torch.no_grad():
        with clock.part("calibration"):
            folded, example = fuse(subject.model), (subject.batches[0],)
            shadowed = prepare_n_shadows_model(folded, example, mapping, get_native_backend_config())
            loggers_set_enabled(shadowed, False)
            for batch in subject.batches:
                shadowed(batch)
        with clock.part("sweep"):
            shadowed = convert_n_shadows_model(shadowed)
            loggers_set_enabled(shadowed, True)
            loggers_set_save_activations(shadowed, False)
            for batch in subject.batches:
                shadowed(batch)
            found = extract_results_n_shadows_model(shadowed)
    meaning = "SQNR of the layer's own output, dB; local only"
    show(torch.__version__, clock, _scores(found), meaning, "1 shadowed + 1")


def _scores(found: dict) -> dict[str, float]:
    """Minus the mean SQNR over the batches, by module path."""
    entries = [
        entry
        for subgraph in found.values()
        for logged in subgraph["node_output"].values()
        for entry in logged
        if entry.get("comparisons")
    ]
    return {e["fqn"]: -sum(float(value) for value in e["comparisons"]) / len(e["comparisons"]) for e in entries}


if __name__ == "__main__":
    main()
