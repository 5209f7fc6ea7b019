"""NNCF: the ranking inside `quantize_with_accuracy_control` takes one group back to float at a time (OpenVINO)."""

import logging
import os
import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import nncf
import openvino
import torch
from nncf.quantization.advanced_parameters import AdvancedAccuracyRestorerParameters
from nncf.quantization.algorithms.accuracy_control import ranker
from torch import nn

from benchmarks.peer_scripts.common import Clock, Given, given, mean_kl, show, threads


class RankingDone(Exception):
    """Ends the tool once the ranking stands: restoring accuracy is another question."""


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    limit_cores()
    subject, clock = given(), Clock()
    scores: dict[str, float] = {}
    stop_after_ranking(clock, scores)
    with clock.part("export"):
        model = openvino.convert_model(subject.model, example_input=subject.batches[0])
        model.reshape([-1, *subject.batches[0].shape[1:]])
    with suppress(RankingDone), clock.part("calibration"):
        rank(model, subject)
    meaning = "minus the KL with this group in FP32, nats; leave one out"
    layers = by_layer(scores, subject.model)
    show(nncf.__version__, clock, layers, meaning, f"{len(set(scores.values()))} groups + 3")


def limit_cores() -> None:
    """It compiles with an OpenVINO core of its own, which knows no other limit than the process's cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads() :])


def rank(model: openvino.Model, subject: Given) -> None:
    """Quantizes, evaluates, ranks; an item is a whole batch here, and the ranking sees all of them."""
    items = [(batch.numpy(), expected) for batch, expected in zip(subject.batches, subject.reference, strict=True)]

    def validate(compiled: Any, data: Iterable[tuple[Any, torch.Tensor]]) -> tuple[float, list[float]]:
        values = [-mean_kl([expected], iter([torch.from_numpy(compiled(x)[0])])) for x, expected in data]
        return sum(values), values

    dataset = nncf.Dataset(items, lambda item: item[0])
    whole = AdvancedAccuracyRestorerParameters(ranking_subset_size=len(items), num_ranking_workers=1)
    nncf.quantize_with_accuracy_control(
        model,
        dataset,
        dataset,
        validate,
        max_drop=-1e9,  # below any drop, so that it always ranks
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(items),
        advanced_accuracy_restorer_parameters=whole,
    )


def stop_after_ranking(clock: Clock, scores: dict[str, float]) -> None:
    """Its public call gives the scores to nobody: the loop is its own, kept whole, and the scores are taken."""

    def scored(self: ranker.Ranker, groups: list, model: Any, graph: Any, references: list, approximate: list) -> None:
        with clock.part("sweep"):
            if self._ranking_fn is None:
                self._ranking_fn = self._create_ranking_fn(ranker.get_backend(model))
            subset = ranker.select_subset(self._ranking_subset_size, references, approximate, self._ranking_fn)
            values = self._sequential_calculation_ranking_score(model, graph, groups, subset, references)
        for group, value in zip(groups, values, strict=True):
            nodes = [operation.node_name for operation in group.operations] or [group.quantizers[0].node_name]
            scores.update(dict.fromkeys(nodes, value))
        raise RankingDone

    ranker.Ranker.rank_groups_of_quantizers = scored


def by_layer(scores: dict[str, float], model: nn.Module) -> dict[str, float]:
    """A folded convolution is called `Multiply_17`; their numbers ascend in the order of the model.

    Other nodes: `__module.fc/ov_ext::linear/MatMul` is `fc`.
    """
    folded = sorted((node for node in scores if node.startswith("Multiply_")), key=lambda node: int(node.split("_")[1]))
    convolutions = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    paths = dict(zip(folded, convolutions, strict=True))
    return {paths.get(n, re.sub(r"/.*$", "", n.removeprefix("__module."))): value for n, value in scores.items()}


if __name__ == "__main__":
    main()
