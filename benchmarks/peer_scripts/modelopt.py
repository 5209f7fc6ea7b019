"""NVIDIA Model-Optimizer: `auto_quantize` scores every layer for INT8, by gradients or by KL divergence."""

import argparse

import modelopt
import modelopt.torch.quantization as mtq
from torch import Tensor, nn

from benchmarks.peer_scripts.common import Clock, given, show

MEANING = {
    "gradient": "unitless Taylor score; estimated",
    "kl_div": "KL of the model's output, nats, summed; exact",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", choices=list(MEANING), required=True)
    method, subject, clock = parser.parse_args().method, given(), Clock()
    loader = list(zip(subject.batches, subject.labels, strict=True))

    def loss(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(output, batch[1])

    with clock.part("auto_quantize"):
        _, state = mtq.auto_quantize(
            subject.model,
            constraints={"effective_bits": 12.0},
            quantization_formats=[mtq.INT8_DEFAULT_CFG],
            data_loader=loader,
            forward_step=lambda model, batch: model(batch[0]),
            loss_func=loss if method == "gradient" else None,
            num_calib_steps=len(loader),
            num_score_steps=len(loader),
            method=method,
            verbose=False,
        )
    scores = {name: score for found in state["candidate_stats"].values() for name, score in _scores(found).items()}
    passes = "1 forward and backward" if method == "gradient" else f"{len(scores)}"
    show(modelopt.__version__, clock, scores, MEANING[method], f"{passes} + 1")


def _scores(found: dict) -> dict[str, float]:
    """The score of the narrowest format, for each layer of one group."""
    narrowest = min(range(len(found["formats"])), key=lambda i: found["formats"][i].num_bits)
    return dict.fromkeys(found["module_names"], float(found["scores"][narrowest]))


if __name__ == "__main__":
    main()
