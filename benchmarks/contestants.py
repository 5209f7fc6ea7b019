"""Who takes part: the script, its arguments and the environment of every row."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """One row. environment: None is the Python that runs the benchmark."""

    label: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: str | None = None
    whole_command: bool = False  # times a command with its start and imports, so it's compared with nobody's row


LEAN = "gradient:passes=1:kl_passes=0:loss_passes=0"
CONTESTANTS = {
    "naive": Contestant("naive loop", "naive"),
    "naive-folded": Contestant("naive loop, BatchNorm folded", "naive", ("--fold",)),
    "qdash-exact": Contestant("qdash exact", "qdash_sweep"),
    "qdash-gradient-lean": Contestant("qdash gradient, one pass", "qdash_sweep", ("--method", LEAN)),
    "qdash-gradient": Contestant("qdash gradient", "qdash_sweep", ("--method", "gradient")),
    "qdash-adaptive": Contestant("qdash adaptive, 2 points", "qdash_sweep", ("--tolerance", "2")),
    "modelopt-gradient": Contestant(
        "Model-Optimizer gradient", "modelopt", ("--method", "gradient"), environment="modelopt"
    ),
    "modelopt-kl": Contestant("Model-Optimizer KL", "modelopt", ("--method", "kl_div"), environment="modelopt"),
    "onnxruntime": Contestant("ONNX Runtime, hand sweep", "onnxruntime_sweep", environment="onnxruntime"),
    "torch-n-shadows": Contestant("torch.ao n-shadows", "torch_n_shadows"),
    "nncf": Contestant("NNCF ranking", "nncf", environment="nncf"),
    "aimet": Contestant("AIMET, enable one layer", "aimet", environment="aimet"),
    "ppq": Contestant("PPQ layerwise", "ppq", environment="ppq"),
    "mct": Contestant("MCT sensitivity table", "mct", environment="mct"),
    "qdash-exact-command": Contestant("qdash exact", "qdash_sweep", ("--command",), whole_command=True),
    "qdash-gradient-lean-command": Contestant(
        "qdash gradient, one pass", "qdash_sweep", ("--command", "--method", LEAN), whole_command=True
    ),
    "qdash-gradient-command": Contestant(
        "qdash gradient", "qdash_sweep", ("--command", "--method", "gradient"), whole_command=True
    ),
    "qdash-adaptive-command": Contestant(
        "qdash adaptive, 2 points", "qdash_sweep", ("--command", "--tolerance", "2"), whole_command=True
    ),
}
