"""A first look at model and data: what was loaded, a few samples, the FP32 metric. No quantization."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qdash.records import Facts, Progress, Record
from qdash.spec import Setting, Source
from qdash.sweep.prepare.facts import facts_of
from qdash.sweep.prepare.prepare import Prepared, prepare
from qdash.sweep.works.cost import CostMeter
from qdash.tensors.trees import tensors

_SAMPLES = 256
_SHOWN = 8
_LARGEST_SIDE = 64  # pixels of a preview; larger images are thinned


class ProbeWork:
    """Done in one step."""

    def __init__(self, spec: str, artifacts: str):
        self.spec = Source.model_validate_json(spec)
        self._artifacts = Path(artifacts)

    def advance(self, position: str | None, should_stop: Callable[[], bool]) -> Iterator[Record]:
        """See `executors.base.Work`."""
        spending = CostMeter()
        with ExitStack() as stack:
            prepared = prepare(stack, self.spec, [Setting(mode="weight_only")], "*", self._artifacts)
            yield Facts(facts_of(prepared) | self._baseline(prepared) | {"preview": _preview(prepared)})
            yield Progress(None, 1.0, 1.0, spent=spending.since_last(prepared.instrument.executed_macs))

    def close(self) -> None:
        """Nothing stays open."""

    def _baseline(self, prepared: Prepared) -> dict[str, Any]:
        workload, reader = prepared.workload, prepared.bench.reader
        indices = workload.evaluation_indices[:_SAMPLES]
        outcomes, began = [], time.perf_counter()
        for batch in workload.batches(workload.evaluation, indices, self.spec.batch_size):
            output = reader.read(prepared.instrument.run(batch.args, batch.kwargs))
            outcomes.append(reader.outcomes(output, output, batch.target).cpu())
        seconds = time.perf_counter() - began
        value = float(torch.cat(outcomes).mean()) * reader.metric.factor
        return {
            "baseline": {"metric": reader.metric.name, "value": value, "samples": len(indices)},
            "seconds_per_sample": seconds / len(indices),
        }


def _preview(prepared: Prepared) -> dict[str, Any]:
    """A few samples as JSON: pictures as rows of 0–255 where the input looks like one, else shapes and ranges."""
    batch = prepared.first
    first = next(tensors([batch.args, batch.kwargs]))
    is_image = first.dim() == 4 and first.shape[1] in (1, 3)
    samples = []
    for index in range(min(_SHOWN, batch.size)):
        x = first[index].detach().cpu()
        sample: dict[str, Any] = {
            "label": _label(batch.target, index),
            "predicted": _predicted(prepared, index),
        }
        sample["text"] = f"{str(x.dtype)[6:]} {tuple(x.shape)}, from {x.min().item():.3g} to {x.max().item():.3g}"
        if is_image:
            sample["pixels"] = _pixels(x)
        samples.append(sample)
    return {"kind": "image" if is_image else "values", "samples": samples}


def _pixels(image: Tensor) -> list[Any]:
    step = max(1, -(-max(image.shape[1:]) // _LARGEST_SIDE))
    x = image[:, ::step, ::step].float()
    low, high = x.min(), x.max()
    scaled = (255 * (x - low) / (high - low) if high > low else torch.zeros_like(x)).round().int()
    pixels: list[Any] = (scaled[0] if len(scaled) == 1 else scaled.permute(1, 2, 0)).tolist()
    return pixels


def _label(target: Tensor | None, index: int) -> int | None:
    return int(target[index]) if target is not None and target.dim() == 1 and not target.is_floating_point() else None


def _predicted(prepared: Prepared, index: int) -> int | None:
    scores = prepared.bench.reference.scores
    return int(scores[index].argmax()) if scores is not None and scores.dim() == 2 else None
