"""The exact sweep beside its own pure arithmetic and beside the naive loop: `python -m benchmarks.overhead`.

Three ways to run the model with one layer quantized, batch by batch in turn, on one thread, with the same folded
weights, memory format, scales and fake-quantize, and no import, calibration, all-quantized model or attribution:

- pure: the modules from the quantized layer on, called by hand, inputs taken from a plain forward;
- qdash: the replay of the sweep, its comparison with FP32 included;
- naive: the whole network for every layer, and the same comparison.

And the calibration pass for all observers, in batches of 32, over a plain forward.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import materials
from benchmarks.models import NETWORKS, BasicBlock
from qdash.engine.bench import Bench
from qdash.engine.calibrate import calibrate
from qdash.engine.item import Item
from qdash.engine.quantizer import LayerQuantizer
from qdash.engine.site import Site
from qdash.instrument.folding import folded
from qdash.instrument.memory_format import channels_last
from qdash.layers.base import LayerKind
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.sweep.prepare.prepare import Prepared, ensure_calibrated, prepare
from qdash.tensors.heap import reused
from qdash.tensors.samples import Batch

WAYS = ("pure", "qdash", "naive")


def main() -> int:
    """Prints CPU seconds and ratios per network, the median of the rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--network", choices=list(NETWORKS), action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for network in given.network or list(NETWORKS):
        with tempfile.TemporaryDirectory() as folder:
            os.environ[materials.FOLDER_VARIABLE] = folder
            materials.model.cache_clear()
            materials.samples.cache_clear()
            materials.facts.cache_clear()
            materials.write(Path(folder), network, NETWORKS[network].images)
            _report(network, [_spent(folder) for _ in range(given.rounds)])
    return 0


def _report(network: str, rounds: list[dict[str, float]]) -> None:
    median = {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}
    for name, below, limit in (("pure", "qdash", 1.15), ("naive", "qdash", 0.60)):
        ratio = statistics.median(found[below] / found[name] for found in rounds)
        sys.stdout.write(f"{network}: {below}/{name} {ratio:.3f} (limit {limit})\n")
    sys.stdout.write(f"{network}: executed work over the naive loop's {median['work']:.3f} (limit 0.53)\n")
    sys.stdout.write(f"{network}: calibration over a plain forward {median['calibration']:.2f} (limit 1.5)\n")
    sys.stdout.write(f"{network}: CPU seconds " + ", ".join(f"{way} {median[way]:.2f}" for way in WAYS) + "\n")


def _spent(folder: str) -> dict[str, float]:
    """CPU seconds of each way over all batches and layers, and the share of the work."""
    source = {"model": "python:benchmarks.materials:model", "data": "python:benchmarks.materials:samples"}
    size = int(materials.facts()["batch_size"])
    values = {"batch_size": size, "calibration_batch_size": size, "observers": ("min_max",), "device": "cpu"}
    spec = checked(SweepSpec, **source, calibration_data=source["data"], **values)
    setting, plain = spec.settings()[0], NETWORKS[str(materials.facts()["network"])]()
    plain.load_state_dict(materials.model().state_dict())
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(reused())
        prepared = prepare(stack, spec, [setting], "*", Path(folder))
        ensure_calibrated(prepared, spec, lambda: None)
        first = (prepared.first.args, prepared.first.kwargs)
        folding = stack.enter_context(folded(plain.eval(), *first))
        stack.enter_context(channels_last(plain, *first, folding.reference))
        return _layer_by_layer(prepared, plain, size) | {"calibration": _calibration(prepared, plain)}


def _layer_by_layer(prepared: Prepared, plain: nn.Module, size: int) -> dict[str, float]:
    """CPU seconds of each way, and `work`: what the replays execute over what the naive loop does."""
    spent, bench = dict.fromkeys(WAYS, 0.0), prepared.bench
    by_hand = {name: _quantizer(bench, name, plain, kind) for name, kind in bench.layers.items()}
    replayed = whole = 0.0
    for batch in _batches(prepared, size):
        bench.load(batch)
        (x,) = batch.args
        case = Case(bench, plain, by_hand, x, _activations(plain, x))
        outputs: list[dict[str, Tensor]] = [{}, {}, {}]
        for way, run, found in zip(WAYS, (_pure, _replayed, _naive), outputs, strict=True):
            with _clock(spent, way):
                for name, output in run(case):
                    found[name] = output
                    if way != "pure":
                        bench.compared(bench.reader.read(output))
        for name in bench.layers:
            assert torch.equal(outputs[0][name], outputs[1][name]), name
            assert torch.equal(outputs[0][name], outputs[2][name]), name
        replayed += sum(bench.work_from(name) for name in bench.layers)
        whole += bench.tape.macs * len(bench.layers)
    return spent | {"work": replayed / whole}


def _calibration(prepared: Prepared, plain: nn.Module) -> float:
    """CPU seconds of the calibration pass over those of a plain forward."""
    passes, batches = dict.fromkeys(("plain", "calibration"), 0.0), _batches(prepared, 32)
    with _clock(passes, "plain"):
        for batch in batches:
            plain(*batch.args)
    with _clock(passes, "calibration"):
        calibrate(prepared.instrument, prepared.bench.kinds, batches, 0)
    return passes["calibration"] / passes["plain"]


def _batches(prepared: Prepared, size: int) -> list[Batch]:
    workload = prepared.workload
    return [
        workload.evaluation.batch(g.tolist()) for g in workload.evaluation.groups(workload.evaluation_indices, size)
    ]


@dataclass(frozen=True)
class Case:
    """One batch: the sweep's bench, the same model without it, and what its modules got and gave in a plain forward."""

    bench: Bench
    plain: nn.Module
    quantizers: dict[str, LayerQuantizer]
    x: Tensor
    kept: dict[str, Tensor]


Outputs = Iterator[tuple[str, Tensor]]


def _quantizer(bench: Bench, name: str, plain: nn.Module, kind: LayerKind) -> LayerQuantizer:
    """The sweep's scales for a layer of the plain model; its weights are quantized before the clock starts."""
    known = bench.quantizers.at(name, bench.settings[0])
    mine = LayerQuantizer(Site(plain.get_submodule(name), kind, known._statistics), bench.settings[0])
    assert mine.weights.keys() == known.weights.keys()
    return mine


def _replayed(case: Case) -> Outputs:
    for name in case.quantizers:
        yield name, case.bench.replay(case.bench.quantizers.only(Item(name, case.bench.settings[0])), name).judged


def _naive(case: Case) -> Outputs:
    for name, quantizer in case.quantizers.items():
        with _quantized(quantizer):
            yield name, case.plain(case.x)


def _pure(case: Case) -> Outputs:
    """Stem, blocks, head; everything before the layer is left out."""
    plain = case.plain
    stages = [name for name in ("layer1", "layer2", "layer3", "layer4") if hasattr(plain, name)]
    blocks = [(f"{stage}.{i}.", block) for stage in stages for i, block in enumerate(plain.get_submodule(stage))]
    for name, quantizer in case.quantizers.items():
        with _quantized(quantizer):
            if name == "conv1":
                yield name, plain(case.x)
            elif name == "fc":
                yield name, plain.fc(case.kept["fc"])
            else:
                place = next(i for i, (prefix, _) in enumerate(blocks) if name.startswith(prefix))
                prefix, block = blocks[place]
                out = _rest_of_block(block, name.removeprefix(prefix), prefix, case.kept)
                for _, following in blocks[place + 1 :]:
                    out = following(out)
                yield name, plain.fc(plain.flatten(plain.avgpool(out)))


def _rest_of_block(block: BasicBlock, layer: str, prefix: str, kept: dict[str, Tensor]) -> Tensor:
    if layer == "conv1":
        return block(kept[f"{prefix}conv1"])
    if layer == "conv2":
        main, short = block.bn2(block.conv2(kept[f"{prefix}conv2"])), kept[f"{prefix}downsample out"]
    else:
        main, short = kept[f"{prefix}bn2 out"], block.downsample(kept[f"{prefix}conv1"])
    return block.relu2(block.add(main, short))


def _activations(plain: nn.Module, x: Tensor) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            kept[name], kept[f"{name} out"] = inputs[0], output

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in plain.named_modules() if name]
    plain(x)
    for handle in handles:
        handle.remove()
    return kept


@contextmanager
def _quantized(quantizer: LayerQuantizer) -> Iterator[None]:
    handle = quantizer.module.register_forward_pre_hook(lambda _, inputs: quantizer.quantized_arguments(inputs, {})[0])
    with quantizer.quantized_weights():
        yield
    handle.remove()


@contextmanager
def _clock(spent: dict[str, float], way: str) -> Iterator[None]:
    start = time.process_time()
    yield
    spent[way] += time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
